//! A socket that accepts connections.

use super::{TcpSocket, TcpStream};
use crate::driver::{self, Direction};
use crate::io::Interest;
use crate::net::addr::{ToSocketAddrs, first_ok};
use crate::source::Source;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

/// How many connections may wait to be accepted. The standard library's 128 are too few for a burst of
/// clients: each one beyond comes a second later, when it tries again.
const BACKLOG: u32 = 1024;

/// A TCP socket that listens for connections.
///
/// # Examples
///
/// ```
/// use cmwq_io::net::TcpListener;
/// use futures::io::AsyncWriteExt;
///
/// async fn greet() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:7878").await?;
///     loop {
///         let (mut stream, peer) = listener.accept().await?;
///         stream.write_all(format!("hello, {peer}\n").as_bytes()).await?;
///     }
/// }
/// ```
pub struct TcpListener {
    source: Source<mio::net::TcpListener>,
}

impl TcpListener {
    /// Makes a listener on the first of the addresses on which it can be made. Port 0 takes a free
    /// port; see [`local_addr`](Self::local_addr).
    ///
    /// `SO_REUSEADDR` is set and the backlog is 1024; [`TcpSocket`](super::TcpSocket) allows other
    /// choices. A name is resolved as by [`lookup_host`](crate::net::lookup_host).
    ///
    /// # Errors
    ///
    /// The last of the errors of `socket`, `bind` and `listen`, or that of the lookup.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        driver::assert_current();
        first_ok(addr, |addr| {
            let socket = TcpSocket::for_addr(addr)?;
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            socket.listen(BACKLOG)
        })
    }

    pub(super) fn new(listener: mio::net::TcpListener) -> TcpListener {
        TcpListener { source: Source::new(listener) }
    }

    /// Waits for a connection and accepts it. Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Safe: a connection is accepted only by a poll that returns it.
    ///
    /// # Errors
    ///
    /// Those of `accept(2)`: among them the connection was aborted meanwhile, and there are too many
    /// open files. The listener stays usable.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, addr) =
            self.source.async_io(Interest::READABLE, mio::net::TcpListener::accept).await?;
        Ok((TcpStream::new(stream), addr))
    }

    /// Accepts a connection, or arranges that the task of `cx` is woken when there is one. Of several
    /// tasks only the one that called last is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.source
            .poll_io(cx, Direction::Read, mio::net::TcpListener::accept, |_| false)
            .map_ok(|(stream, addr)| (TcpStream::new(stream), addr))
    }

    /// Takes over a listener of the standard library. Set it to nonblocking mode first: a blocking one
    /// works, but every wait then blocks the thread.
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(listener: net::TcpListener) -> io::Result<TcpListener> {
        driver::assert_current();
        Ok(TcpListener::new(mio::net::TcpListener::from_std(listener)))
    }

    /// Gives the listener back as one of the standard library, still in nonblocking mode.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn into_std(self) -> io::Result<net::TcpListener> {
        Ok(self.source.into_inner().into())
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// The time to live of packets that are sent from it, in hops.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn ttl(&self) -> io::Result<u32> {
        self.source.get().ttl()
    }

    /// Sets the time to live, in hops.
    ///
    /// # Errors
    ///
    /// The kernel refuses the value: it takes 1 to 255.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.source.get().set_ttl(ttl)
    }
}

impl TryFrom<net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// The same as [`from_std`](Self::from_std).
    fn try_from(listener: net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get().as_raw_fd()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get().as_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get().fmt(f)
    }
}
