//! All that differs between the variants: the runtime, and where blocking calls run.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::Result;

const ANY_PORT: &str = "127.0.0.1:0";

/// A runtime under its own names.
pub trait Platform: 'static {
    type Runtime;
    type Listener: Send + 'static;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn start(workers: usize) -> Result<Self::Runtime>;
    fn block_on<F: Future>(runtime: &Self::Runtime, future: F) -> F::Output;
    fn spawn(future: impl Future<Output = ()> + Send + 'static);
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;
    fn bind() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// For the line below the table; empty where there is nothing to say.
    fn describe(runtime: &Self::Runtime) -> String;
}

pub struct Tokio;

impl Platform for Tokio {
    type Runtime = tokio::runtime::Runtime;
    type Listener = tokio::net::TcpListener;
    type Stream = tokio::net::TcpStream;

    fn start(workers: usize) -> Result<Self::Runtime> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start tokio ({error})").into())
    }

    fn block_on<F: Future>(runtime: &Self::Runtime, future: F) -> F::Output {
        runtime.block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(future);
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    async fn bind() -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = tokio::net::TcpListener::bind(ANY_PORT).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn describe(_: &Self::Runtime) -> String {
        String::new()
    }
}

pub struct Cmwq;

impl Platform for Cmwq {
    type Runtime = cmwq::runtime::Runtime;
    type Listener = cmwq::net::TcpListener;
    type Stream = cmwq::net::TcpStream;

    fn start(workers: usize) -> Result<Self::Runtime> {
        cmwq::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start cmwq ({error})").into())
    }

    fn block_on<F: Future>(runtime: &Self::Runtime, future: F) -> F::Output {
        runtime.block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        cmwq::spawn(future);
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        cmwq::time::sleep(duration)
    }

    async fn bind() -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = cmwq::net::TcpListener::bind(ANY_PORT).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn describe(runtime: &Self::Runtime) -> String {
        let metrics = runtime.metrics();
        format!("detector {}, {} takeovers", metrics.detector(), metrics.takeovers_count())
    }
}

/// Where a handler's blocking call runs.
pub trait Blocking: 'static {
    fn run<T: Send + 'static>(
        call: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;
}

/// Here, in the task.
pub struct InTask;

impl Blocking for InTask {
    async fn run<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
        call()
    }
}

/// On tokio's pool of threads for blocking calls.
pub struct SpawnBlocking;

impl Blocking for SpawnBlocking {
    async fn run<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(call).await.expect("blocking calls of the service do not panic")
    }
}
