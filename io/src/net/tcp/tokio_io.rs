//! tokio's `AsyncRead` and `AsyncWrite`, and what else has tokio's types in its signature.

use super::stream_io::is_short;
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf};
use crate::driver::Direction;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl TcpStream {
    /// Reads what is there without taking it away, or arranges that the task is woken. Returns the
    /// number of bytes added to `buf`, 0 at the end of the stream. Of several tasks that call this,
    /// `poll_read_ready` or `poll_read`, only the one that called last is woken.
    ///
    /// # Errors
    ///
    /// Those of `recv`, and of [`ready`](Self::ready).
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let peek = |stream: &SockRef<'_>, unfilled: &mut [MaybeUninit<u8>]| stream.peek(unfilled);
        // Data that is left behind proves nothing about what a later call would find.
        self.poll_fill(cx, buf, peek, |_, _| false)
    }

    fn poll_read_buf(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let recv = |stream: &SockRef<'_>, unfilled: &mut [MaybeUninit<u8>]| stream.recv(unfilled);
        self.poll_fill(cx, buf, recv, |room, done| is_short(room)(done)).map_ok(drop)
    }

    /// Fills a part of `buf` with `op`, which returns how many bytes it has written at the front of
    /// the memory that it was given.
    fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        mut op: impl FnMut(&SockRef<'_>, &mut [MaybeUninit<u8>]) -> io::Result<usize>,
        drained: impl FnOnce(usize, &usize) -> bool,
    ) -> Poll<io::Result<usize>> {
        // SAFETY: the memory is handed to `recv`, which only writes to it; nothing that is initialised
        // becomes uninitialised.
        let unfilled = unsafe { buf.unfilled_mut() };
        let room = unfilled.len();
        let filled = ready!(self.source.poll_io(
            cx,
            Direction::Read,
            |stream| op(&SockRef::from(&stream.as_fd()), unfilled),
            |done| drained(room, done),
        ))?;
        // SAFETY: `op` is `recv`, with or without MSG_PEEK: it has written the first `filled` bytes.
        unsafe { buf.assume_init(filled) };
        buf.advance(filled);
        Poll::Ready(Ok(filled))
    }
}

impl ReadHalf<'_> {
    /// The same as [`TcpStream::poll_peek`].
    ///
    /// # Errors
    ///
    /// Those of `recv`, and of [`TcpStream::ready`].
    pub fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_peek(cx, buf)
    }
}

impl OwnedReadHalf {
    /// The same as [`TcpStream::poll_peek`].
    ///
    /// # Errors
    ///
    /// Those of `recv`, and of [`TcpStream::ready`].
    pub fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_peek(cx, buf)
    }
}

macro_rules! impl_read {
    ($type:ty) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.stream().poll_read_buf(cx, buf)
            }
        }
    };
}

macro_rules! impl_write {
    ($type:ty) => {
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_priv(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_vectored_priv(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Ready(self.close_write())
            }
        }
    };
}

impl_read!(TcpStream);
impl_read!(ReadHalf<'_>);
impl_read!(OwnedReadHalf);
impl_write!(TcpStream);
impl_write!(WriteHalf<'_>);
impl_write!(OwnedWriteHalf);
