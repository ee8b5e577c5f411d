//! Servers and what loads them.
//!
//! [`server`] runs in a child, on a runtime or on bare [`epoll`]; [`client`] is a closed loop over
//! many connections on bare epoll in this process, so that every server sees the same client. The
//! rivals that run one thread per core are servers of a program of their own ([`rivals`]).

pub mod client;
pub mod epoll;
pub mod protocol;
pub mod rivals;
pub mod server;
pub mod wrk;
