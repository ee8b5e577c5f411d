//! The runtimes under one face.
//!
//! [`Runtime`] is what the work of the cases calls; each method is the runtime's own, with nothing
//! between that costs. [`Net`] adds sockets. A further runtime is a file here that implements both,
//! a line in [`on!`] and its [`Contender`].
//!
//! The thread-per-core rivals have tasks that are not `Send` and I/O with owned buffers, so they
//! have no face here: they are servers of their own (`rivals/`) that the echo case starts.

mod bare;
mod cmwq;
mod smol;
mod tokio;

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

pub use self::{
    bare::Bare,
    cmwq::Cmwq,
    smol::{Smol, THREADS as SMOL_THREADS},
    tokio::Tokio,
};
use crate::{Result, contender::Contender};

/// What the work of a case calls.
pub trait Runtime: Sized + Send + Sync + 'static {
    /// For spawning from outside.
    type Handle: Clone + Send + Sync + 'static;

    /// Starts it with so many worker threads.
    fn start(contender: Contender, cores: usize) -> Result<Self>;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    fn handle(&self) -> Self::Handle;
    /// Spawns from any thread; the task goes on by itself.
    fn spawn_on(handle: &Self::Handle, future: impl Future<Output = ()> + Send + 'static);
    /// Spawns from inside.
    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    /// Spawns from inside; the task goes on by itself.
    fn detach(future: impl Future<Output = ()> + Send + 'static);
    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;
    fn yield_now() -> impl Future<Output = ()> + Send;
    /// The detector in use and how often it took a core over, where there is one.
    fn detector(&self) -> Option<(&'static str, u64)> {
        None
    }
    /// Ends it although tasks may be left.
    fn stop(self);
}

/// Its sockets.
pub trait Net: Runtime {
    type Listener: Send + 'static;
    type Stream: Send + 'static;
    /// The stream as hyper wants it.
    type Hyper: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static;

    /// Takes over a listener that is non-blocking. Called from inside.
    fn listen(listener: TcpListener) -> io::Result<Self::Listener>;
    fn accept(
        listener: &mut Self::Listener,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn read(
        stream: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;
    fn write_all(
        stream: &mut Self::Stream,
        bytes: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;
    fn set_nodelay(stream: &Self::Stream) -> io::Result<()>;
    fn hyper(stream: Self::Stream) -> Self::Hyper;
}

/// Calls a function that is generic over the runtime: `on!(contender, f(args))` is
/// `f::<Tokio>(contender, args)`, or with another runtime.
#[macro_export]
macro_rules! on {
    ($contender:expr, $function:ident($($argument:expr),*)) => {{
        let contender: $crate::contender::Contender = $contender;
        match contender.runtime() {
            "tokio" => $function::<$crate::runtimes::Tokio>(contender, $($argument),*),
            "cmwq" => $function::<$crate::runtimes::Cmwq>(contender, $($argument),*),
            "smol" => $function::<$crate::runtimes::Smol>(contender, $($argument),*),
            _ => Err(format!("{contender} does not run this").into()),
        }
    }};
}
pub use crate::on;
