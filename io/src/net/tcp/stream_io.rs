//! Moving bytes: the operations of a stream, on which the I/O traits of `futures` and tokio are built.
//!
//! A read that returns fewer bytes than it has room for has emptied the socket's buffer, and a write
//! that took fewer than it was given has filled it. The next call would return `WouldBlock`: readiness
//! is cleared at once and that call saved. A peek proves nothing, since it leaves the data.

use super::TcpStream;
use crate::driver::Direction;
use crate::io::Interest;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::task::{Context, Poll};

/// The kernel looks at no more buffers than that in one call: what is beyond was not asked for.
const IOV_MAX: usize = 1024;

impl TcpStream {
    /// Reads what is there without taking it away; waits until there is something. Returns the number
    /// of bytes, 0 at the end of the stream. With an empty `buf` it is 0 too, and waits all the same.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    ///
    /// # Errors
    ///
    /// Those of `recv`.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source.async_io(Interest::READABLE, |stream| stream.peek(buf)).await
    }

    /// Reads what is there, without waiting. Returns the number of bytes, 0 at the end of the stream.
    /// With an empty `buf` it is 0 too where there is something.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is nothing, also with an empty `buf`; those of `recv`.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source.try_io(Interest::READABLE, |mut stream| stream.read(buf))
    }

    /// Reads what is there into several buffers, filling one after the other.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::READABLE, |mut stream| stream.read_vectored(bufs))
    }

    /// Writes what there is room for, without waiting. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is no room; those of `send`.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.source.try_io(Interest::WRITABLE, |mut stream| stream.write(buf))
    }

    /// Writes what there is room for from several buffers.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::WRITABLE, |mut stream| stream.write_vectored(bufs))
    }

    /// Performs an operation of the caller's on this socket, without waiting.
    ///
    /// `f` is called if the socket may be ready for `interest`. When it returns `WouldBlock` the socket
    /// is taken to be not ready: return that only if the system call on this socket did, or a later
    /// wait may never end.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when the socket is not ready; those of `f`.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.try_io(interest, |_| f())
    }

    /// Performs an operation of the caller's on this socket, and waits while it returns `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// Safe if `f` has no effect where it returns `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `f`, and of [`ready`](Self::ready).
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.async_io(interest, |_| f()).await
    }

    pub(super) fn poll_read_priv(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buf.len();
        self.source.poll_io(cx, Direction::Read, |mut stream| stream.read(buf), is_short(room))
    }

    pub(super) fn poll_read_vectored_priv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = bufs.iter().take(IOV_MAX).map(|buf| buf.len()).sum();
        let read = |mut stream: &mio::net::TcpStream| stream.read_vectored(bufs);
        self.source.poll_io(cx, Direction::Read, read, is_short(room))
    }

    pub(super) fn poll_write_priv(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = |mut stream: &mio::net::TcpStream| stream.write(buf);
        self.source.poll_io(cx, Direction::Write, write, is_short(buf.len()))
    }

    pub(super) fn poll_write_vectored_priv(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = bufs.iter().take(IOV_MAX).map(|buf| buf.len()).sum();
        let write = |mut stream: &mio::net::TcpStream| stream.write_vectored(bufs);
        self.source.poll_io(cx, Direction::Write, write, is_short(room))
    }

    /// What the halves have too, for the traits.
    pub(super) fn stream(&self) -> &TcpStream {
        self
    }

    pub(super) fn close_write(&mut self) -> io::Result<()> {
        self.shutdown_write()
    }

    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        self.source.get().shutdown(Shutdown::Write)
    }
}

/// Whether an operation did a part of `wanted`. Nothing at all is the end of the stream, which stays.
pub(super) fn is_short(wanted: usize) -> impl FnOnce(&usize) -> bool {
    move |&done| 0 < done && done < wanted
}
