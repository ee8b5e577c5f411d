//! TCP, with the names, signatures and documented behaviour of `tokio::net`.
//!
//! # What differs from tokio
//!
//! * A socket registers with the I/O driver at the first operation that has to wait, not when it is
//!   made, and with the core of the task that performs it.
//! * Names are resolved by a plain blocking `getaddrinfo` inside the task: in cmwq another thread
//!   takes the core over meanwhile. See [`lookup_host`].
//! * The traits of `futures-io` are implemented as well as tokio's (feature `tokio-io`).
//!
//! # Panics
//!
//! What makes a socket (`bind`, `connect`, `from_std`, `listen`) and whatever has to wait for one
//! panics with "there is no reactor running" outside of a runtime.
//!
//! # Two ways to wait
//!
//! `poll_` methods and the I/O traits keep one waker for each direction: the task that called last is
//! woken, so one task at a time may read and one may write. The `async` methods that take `&self`
//! (`accept`, `peek`, `readable`, `ready`, ...) serve any number of tasks, and are cancel safe.

mod addr;
pub mod tcp;

pub use crate::io::{Interest, Ready};
pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{TcpListener, TcpSocket, TcpStream};
