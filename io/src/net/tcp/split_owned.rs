//! Halves that share the stream, for two tasks.

use super::TcpStream;
use crate::io::{Interest, Ready};
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;

/// The reading half of a stream, made by [`TcpStream::into_split`].
///
/// Dropping it shuts nothing down; the socket is closed when both halves are gone.
#[derive(Debug)]
pub struct OwnedReadHalf {
    inner: Arc<TcpStream>,
}

/// The writing half of a stream, made by [`TcpStream::into_split`].
///
/// Dropping it shuts the writing side down, so that the peer sees the end of the stream;
/// [`forget`](Self::forget) drops it without that.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    inner: Arc<TcpStream>,
    shutdown_on_drop: bool,
}

pub(super) fn split_owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let inner = Arc::new(stream);
    let read = OwnedReadHalf { inner: inner.clone() };
    (read, OwnedWriteHalf { inner, shutdown_on_drop: true })
}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.inner, &write.inner) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    Ok(Arc::try_unwrap(read.inner).expect("a stream has two halves, and one is forgotten"))
}

/// The two halves are not of the same stream. They are given back.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "tried to reunite halves that are not from the same socket; \
             reunite those that one `into_split` returned",
        )
    }
}

impl Error for ReuniteError {}

impl OwnedReadHalf {
    /// Puts the stream together again.
    ///
    /// # Errors
    ///
    /// `other` belongs to another stream; the error holds both halves.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }

    /// Reads without taking away; the same as [`TcpStream::peek`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// Those of `recv`, and of [`TcpStream::ready`].
    pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.peek(buf).await
    }

    /// Waits until one of the events of `interest` is there; the same as [`TcpStream::ready`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::ready`].
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.inner.ready(interest).await
    }

    /// Waits until there is something to read; the same as [`TcpStream::readable`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::ready`].
    pub async fn readable(&self) -> io::Result<()> {
        self.inner.readable().await
    }

    /// Reads without waiting; the same as [`TcpStream::try_read`].
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is nothing; those of `recv`.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.try_read(buf)
    }

    /// Reads into several buffers without waiting; the same as [`TcpStream::try_read_vectored`].
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.try_read_vectored(bufs)
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// It is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.inner
    }
}

impl OwnedWriteHalf {
    /// Puts the stream together again.
    ///
    /// # Errors
    ///
    /// `other` belongs to another stream; the error holds both halves.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops it without shutting the writing side down.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    /// Waits until one of the events of `interest` is there; the same as [`TcpStream::ready`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::ready`].
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.inner.ready(interest).await
    }

    /// Waits until there is room to write; the same as [`TcpStream::writable`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::ready`].
    pub async fn writable(&self) -> io::Result<()> {
        self.inner.writable().await
    }

    /// Writes without waiting; the same as [`TcpStream::try_write`].
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is no room; those of `send`.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.try_write(buf)
    }

    /// Writes from several buffers without waiting; the same as [`TcpStream::try_write_vectored`].
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.try_write_vectored(bufs)
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// It is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.inner
    }

    pub(super) fn close_write(&mut self) -> io::Result<()> {
        let result = self.inner.shutdown_write();
        // Where it failed, dropping the half may try once more.
        self.shutdown_on_drop &= result.is_err();
        result
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // It fails when the connection is gone already, which is as well.
            let _ = self.inner.shutdown_write();
        }
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.inner
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.inner
    }
}
