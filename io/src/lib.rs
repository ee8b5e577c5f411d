//! The I/O driver and the sockets of the cmwq runtime.
//!
//! This crate knows no executor. It has three parts:
//!
//! * [`driver`]: waits in `epoll` for a core and hands out the [`Waker`]s that became due. A runtime
//!   has one [`Driver`](driver::Driver) for each core; whichever worker holds the core calls
//!   [`turn`](driver::Driver::turn).
//! * [`net`]: TCP with the names, signatures and documented behaviour of `tokio::net`. A socket
//!   belongs to the driver of the thread that first had to wait for it.
//! * [`budget`]: how many operations a task may complete in one poll before it has to yield.
//!
//! [`io`] holds the two small types that say which events are wanted and which were seen.
//!
//! # Example
//!
//! A whole executor in a dozen lines: it polls one future, and waits in the driver between polls.
//!
//! ```
//! use cmwq_io::driver::{self, Driver, Handle, Wait};
//! use cmwq_io::net::{TcpListener, TcpStream};
//! use futures::io::{AsyncReadExt, AsyncWriteExt};
//! use std::sync::Arc;
//! use std::task::{Context, Poll, Wake, Waker};
//!
//! struct Unpark(Handle);
//! impl Wake for Unpark {
//!     fn wake(self: Arc<Self>) {
//!         self.0.unpark();
//!     }
//! }
//!
//! fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
//!     let (mut driver, handle) = Driver::new()?;
//!     driver::set_current(Some(handle.clone()));
//!     let waker = Waker::from(Arc::new(Unpark(handle)));
//!     let mut future = std::pin::pin!(future);
//!     loop {
//!         if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
//!             return Ok(output);
//!         }
//!         driver.turn(Wait::Forever, &mut |waker| waker.wake())?;
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (mut server, _) = listener.accept().await?;
//!     client.write_all(b"hello").await?;
//!     let mut buf = [0; 5];
//!     server.read_exact(&mut buf).await?;
//!     assert_eq!(&buf, b"hello");
//!     Ok(())
//! })?
//! # }
//! ```
//!
//! # Features
//!
//! * `tokio-io` (default): the sockets implement tokio's `AsyncRead` and `AsyncWrite` too. The
//!   traits of `futures-io` are always there. A crate that imports the extension traits of both
//!   sees ambiguous methods: import one of them.
//!
//! [`Waker`]: std::task::Waker

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("cmwq-io runs on Linux 5.10 or later, on x86_64 and aarch64 only");

pub mod budget;
pub mod driver;
pub mod io;
pub mod net;

mod source;
