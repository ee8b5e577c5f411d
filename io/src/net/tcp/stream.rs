//! A connection: how it is made, its options, and what can be waited for.

use super::split::{self, ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use crate::driver::{self, Direction};
use crate::io::{Interest, Ready};
use crate::net::addr::{ToSocketAddrs, no_address};
use crate::source::Source;
use socket2::SockRef;
use std::ffi::c_int;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};
use std::time::Duration;

/// A TCP connection.
///
/// Read and write through the extension traits of `futures` or tokio, or with
/// [`readable`](Self::readable) and [`try_read`](Self::try_read). Dropping it closes the connection;
/// shutting the writing side down first tells the peer that all was sent.
///
/// # Examples
///
/// ```
/// use cmwq_io::net::TcpStream;
/// use futures::io::{AsyncReadExt, AsyncWriteExt};
///
/// async fn fetch() -> std::io::Result<Vec<u8>> {
///     let mut stream = TcpStream::connect("example.org:80").await?;
///     stream.write_all(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n").await?;
///     let mut page = Vec::new();
///     stream.read_to_end(&mut page).await?;
///     Ok(page)
/// }
/// ```
pub struct TcpStream {
    pub(super) source: Source<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that accepts.
    ///
    /// A name is resolved as by [`lookup_host`](crate::net::lookup_host).
    /// [`TcpSocket`](super::TcpSocket) allows to configure the socket before it connects.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the attempt.
    ///
    /// # Errors
    ///
    /// The error of the last address tried, or that of the lookup.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        driver::assert_current();
        let mut last_error = None;
        for addr in addr.to_socket_addrs()? {
            let connected = match mio::net::TcpStream::connect(addr) {
                Ok(stream) => TcpStream::connected(stream).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(no_address))
    }

    /// Waits until a connection that was begun is there or has failed.
    pub(super) async fn connected(stream: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = TcpStream::new(stream);
        poll_fn(|cx| stream.poll_write_ready(cx)).await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    pub(super) fn new(stream: mio::net::TcpStream) -> TcpStream {
        TcpStream { source: Source::new(stream) }
    }

    /// Takes over a stream of the standard library. Set it to nonblocking mode first: a blocking one
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
    pub fn from_std(stream: net::TcpStream) -> io::Result<TcpStream> {
        driver::assert_current();
        Ok(TcpStream::new(mio::net::TcpStream::from_std(stream)))
    }

    /// Gives the stream back as one of the standard library, still in nonblocking mode.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn into_std(self) -> io::Result<net::TcpStream> {
        Ok(self.source.into_inner().into())
    }

    /// Waits until one of the events of `interest` is there, and says which.
    ///
    /// The answer may be out of date: an operation that follows may still return `WouldBlock`. Once
    /// something is ready this completes at once until an operation of this type (`try_read`, ...) has
    /// returned `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// Safe: readiness that a dropped future has seen stays.
    ///
    /// # Errors
    ///
    /// The runtime with which the socket is registered is gone, or the socket cannot be registered.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.source.ready(interest).await
    }

    /// Waits until there is something to read. The same as `ready(Interest::READABLE)`.
    ///
    /// # Cancel safety
    ///
    /// Safe, as [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq_io::net::TcpStream;
    /// use std::io;
    ///
    /// async fn read_some(stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    ///     loop {
    ///         stream.readable().await?;
    ///         match stream.try_read(buf) {
    ///             Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
    ///             result => return result,
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until there is room to write. The same as `ready(Interest::WRITABLE)`.
    ///
    /// # Cancel safety
    ///
    /// Safe, as [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Waits until there is something to read. Of several tasks that call this, `poll_peek` or
    /// `poll_read`, only the one that called last is woken.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_ready(cx, Direction::Read)
    }

    /// Waits until there is room to write. Of several tasks that call this or `poll_write`, only the
    /// one that called last is woken.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_ready(cx, Direction::Write)
    }

    /// Splits it into two halves that borrow it.
    ///
    /// Where `futures::AsyncReadExt` is in scope, `stream.split()` means the one of that trait, which
    /// consumes the stream and locks: write `TcpStream::split(&mut stream)`.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// Splits it into two halves that different tasks can own. Dropping the writing half shuts the
    /// writing side down.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split_owned(self)
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// It is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().peer_addr()
    }

    /// The pending error of the socket, which is thereby cleared.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get().take_error()
    }

    /// Whether small segments are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.source.get().nodelay()
    }

    /// Sets whether small segments are sent at once rather than gathered (Nagle's algorithm).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.source.get().set_nodelay(nodelay)
    }

    /// Whether received data is acknowledged at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn quickack(&self) -> io::Result<bool> {
        SockRef::from(self).tcp_quickack()
    }

    /// Sets whether received data is acknowledged at once. The kernel leaves this mode by itself, so
    /// set it again before each read for which it matters.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(self).set_tcp_quickack(quickack)
    }

    /// How long a close lingers for data that was not sent yet (`SO_LINGER`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Sets how long a close lingers; `None` for a close that does not wait. The option has whole
    /// seconds: a part of one counts as one, and more than it can hold (`c_int::MAX`, 68 years) as that.
    ///
    /// With a time other than zero the drop of the stream blocks its thread for up to that time. In
    /// cmwq the core goes on meanwhile.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_linger(&self, duration: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(duration.map(linger_seconds))
    }

    /// Makes a close throw away what was not sent and reset the connection.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
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

impl TryFrom<net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// The same as [`from_std`](Self::from_std).
    fn try_from(stream: net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(stream)
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get().as_raw_fd()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get().as_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get().fmt(f)
    }
}

/// A time as `SO_LINGER` takes it. Not rounded down: zero would be a reset that loses data.
pub(super) fn linger_seconds(duration: Duration) -> Duration {
    let seconds = duration.as_secs().saturating_add((duration.subsec_nanos() > 0).into());
    Duration::from_secs(seconds.min(c_int::MAX as u64))
}
