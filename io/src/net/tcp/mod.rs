//! TCP: a listener, a socket under construction, a stream and its halves.
//!
//! [`TcpSocket`] is configured and then becomes a [`TcpListener`] or a [`TcpStream`]. A stream is used
//! whole, through a shared reference (`try_read`, `readable`, ...), or as two halves: [`split`] borrows
//! and costs nothing, [`into_split`] makes halves that two tasks can own.
//!
//! `stream_io` has the operations on which both families of I/O traits are built (`futures_io`,
//! `tokio_io`); the halves only delegate.
//!
//! [`split`]: TcpStream::split
//! [`into_split`]: TcpStream::into_split

mod futures_io;
mod listener;
mod socket;
mod split;
mod split_owned;
mod stream;
mod stream_io;
#[cfg(feature = "tokio-io")]
mod tokio_io;

pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stream::TcpStream;
