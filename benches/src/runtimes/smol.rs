//! smol with its global executor.

use std::{
    future::Future,
    io,
    net::{self, SocketAddr},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use smol::{
    Async, Timer,
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use super::{Net, Runtime};
use crate::{Result, contender::Contender};

/// The variable from which smol's global executor takes its number of threads.
pub const THREADS: &str = "SMOL_THREADS";

pub struct Smol;

impl Runtime for Smol {
    type Handle = ();

    fn start(_: Contender, cores: usize) -> Result<Self> {
        // smol reads it when the first task is spawned; setting it here would race with threads.
        match std::env::var(THREADS) {
            Ok(threads) if threads == cores.to_string() => Ok(Smol),
            _ => {
                Err(format!("smol has {cores} threads only where {THREADS}={cores} is set").into())
            }
        }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(future)
    }

    fn handle(&self) -> Self::Handle {}

    fn spawn_on((): &Self::Handle, future: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(future).detach();
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        smol::spawn(future)
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(future).detach();
    }

    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        smol::unblock(f)
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    fn stop(self) {
        // The global executor lives as long as the process.
    }
}

impl Net for Smol {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Hyper = TokioIo<Compat<TcpStream>>;

    fn listen(listener: net::TcpListener) -> io::Result<TcpListener> {
        Ok(Async::new(listener)?.into())
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }

    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.read(buffer).await
    }

    async fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes).await
    }

    fn set_nodelay(stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)
    }

    fn hyper(stream: TcpStream) -> Self::Hyper {
        TokioIo::new(stream.compat())
    }
}
