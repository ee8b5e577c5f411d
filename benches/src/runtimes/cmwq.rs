//! cmwq, with the detector that the contender says.

use std::{
    future::Future,
    io,
    net::{self, SocketAddr},
    time::Duration,
};

use cmwq::{
    net::{TcpListener, TcpStream},
    runtime::{self, Builder, Detector, Pin},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Net, Runtime};
use crate::{Result, contender::Contender};

pub struct Cmwq(runtime::Runtime);

impl Runtime for Cmwq {
    type Handle = runtime::Handle;

    fn start(contender: Contender, cores: usize) -> Result<Self> {
        let detector =
            contender.detector().ok_or_else(|| format!("{contender} is another runtime"))?;
        // A detector by name is measured pinned also where a case uses fewer cores than there are:
        // otherwise idle would be refused.
        let pin = if detector == Detector::Auto { Pin::Auto } else { Pin::Always };
        let built = Builder::new_multi_thread()
            .worker_threads(cores)
            .pin(pin)
            .detector(detector)
            .enable_all()
            .build();
        built.map(Cmwq).map_err(|error| format!("cannot start {contender} ({error})").into())
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
        let handle = cmwq::spawn(future);
        async { handle.await.expect("tasks of a case do not panic") }
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        drop(cmwq::spawn(future));
    }

    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let handle = cmwq::task::spawn_blocking(f);
        async { handle.await.expect("closures of a case do not panic") }
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        cmwq::time::sleep(duration)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        cmwq::task::yield_now()
    }

    fn detector(&self) -> Option<(&'static str, u64)> {
        let metrics = self.0.metrics();
        Some((metrics.detector(), metrics.takeovers_count()))
    }

    fn stop(self) {
        self.0.shutdown_timeout(Duration::from_secs(1));
    }
}

impl Net for Cmwq {
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
