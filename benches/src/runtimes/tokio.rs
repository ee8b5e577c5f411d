//! tokio's multi-thread runtime.

use std::{
    future::Future,
    io,
    net::{self, SocketAddr},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
};

use super::{Net, Runtime};
use crate::{Result, contender::Contender};

pub struct Tokio(runtime::Runtime);

impl Runtime for Tokio {
    type Handle = runtime::Handle;

    fn start(_: Contender, cores: usize) -> Result<Self> {
        let built = runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build();
        built.map(Tokio).map_err(|error| format!("cannot start tokio ({error})").into())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn handle(&self) -> Self::Handle {
        self.0.handle().clone()
    }

    fn spawn_on(handle: &Self::Handle, future: impl Future<Output = ()> + Send + 'static) {
        drop(handle.spawn(future));
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = tokio::spawn(future);
        async { handle.await.expect("tasks of a case do not panic") }
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(future));
    }

    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let handle = tokio::task::spawn_blocking(f);
        async { handle.await.expect("closures of a case do not panic") }
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn stop(self) {
        self.0.shutdown_timeout(Duration::from_secs(1));
    }
}

impl Net for Tokio {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Hyper = TokioIo<TcpStream>;

    fn listen(listener: net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
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

    fn hyper(stream: TcpStream) -> TokioIo<TcpStream> {
        TokioIo::new(stream)
    }
}
