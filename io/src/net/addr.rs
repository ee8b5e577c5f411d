//! From names to addresses.

use std::io;
use std::net::{self, SocketAddr};

/// What can be turned into socket addresses: addresses, pairs of a host or an IP address and a port,
/// and strings like `"localhost:80"`.
///
/// Implemented for everything that implements [`std::net::ToSocketAddrs`], which includes all that
/// tokio accepts. A name (rather than an address) is looked up by a blocking `getaddrinfo`; see
/// [`lookup_host`].
pub trait ToSocketAddrs: net::ToSocketAddrs {}

impl<T: net::ToSocketAddrs + ?Sized> ToSocketAddrs for T {}

/// The addresses of `host`.
///
/// The lookup is `getaddrinfo`, called in the task itself: it blocks the thread, not the core, since
/// another worker takes the core over (tokio hands the call to a thread pool). Under another
/// executor it blocks that executor. It is not cancelled when the future is dropped, because the
/// future is ready at its first poll.
///
/// # Errors
///
/// The string has no port, the name is unknown, or its name server does not answer.
///
/// # Examples
///
/// ```
/// # futures::executor::block_on(async {
/// let mut addresses = cmwq_io::net::lookup_host("127.0.0.1:80").await?;
/// assert_eq!(addresses.next(), Some(([127, 0, 0, 1], 80).into()));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn lookup_host<T>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>>
where
    T: ToSocketAddrs,
{
    host.to_socket_addrs()
}

/// Calls `f` with one address after the other until it succeeds; else the last error.
pub(super) fn first_ok<R>(
    addr: impl ToSocketAddrs,
    mut f: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut last_error = None;
    for addr in addr.to_socket_addrs()? {
        match f(addr) {
            Ok(result) => return Ok(result),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(no_address))
}

/// The error of a lookup that succeeded and found nothing.
pub(super) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "could not resolve to any addresses: give at least one socket address",
    )
}
