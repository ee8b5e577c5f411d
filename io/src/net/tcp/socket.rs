//! A TCP socket before it connects or listens.

use super::stream::linger_seconds;
use super::{TcpListener, TcpStream};
use crate::driver;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::time::Duration;

/// A TCP socket that is neither connected nor listening, for options that must be set before.
///
/// Nothing is set but nonblocking mode; `TcpListener::bind` would set `SO_REUSEADDR`.
///
/// # Examples
///
/// ```
/// use cmwq_io::net::{TcpListener, TcpSocket};
///
/// async fn listen() -> std::io::Result<TcpListener> {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuseport(true)?;
///     socket.bind("127.0.0.1:8080".parse().unwrap())?;
///     socket.listen(128)
/// }
/// ```
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// Makes a socket for IPv4.
    ///
    /// # Errors
    ///
    /// Those of `socket(2)`: there are too many open files.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// Makes a socket for IPv6.
    ///
    /// # Errors
    ///
    /// Those of `socket(2)`: there are too many open files, or the system has no IPv6.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    pub(super) fn for_addr(addr: SocketAddr) -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::for_address(addr))
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let kind = Type::STREAM.nonblocking().cloexec();
        Ok(TcpSocket { socket: Socket::new_raw(domain, kind, Some(Protocol::TCP))? })
    }

    /// Takes over a socket of the standard library that is in fact neither connected nor listening, as
    /// one made by `socket2` and converted. Set it to nonblocking mode first.
    pub fn from_std_stream(stream: net::TcpStream) -> TcpSocket {
        TcpSocket { socket: stream.into() }
    }

    /// Sets whether the kernel sends probes on an idle connection (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.socket.set_keepalive(keepalive)
    }

    /// Returns whether the kernel sends probes on an idle connection (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.socket.keepalive()
    }

    /// Sets whether an address may be bound that a closed connection still uses (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuseaddr)
    }

    /// Returns whether an address may be bound that a closed connection still uses (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Sets whether several sockets may listen on one port and share its connections (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuseport)
    }

    /// Returns whether several sockets may listen on one port and share its connections (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn reuseport(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Sets whether small segments are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// Returns whether small segments are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.tcp_nodelay()
    }

    /// Sets the size of the sending buffer in bytes. The kernel doubles it and keeps it within its
    /// limits.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_send_buffer_size(size as usize)
    }

    /// The size of the sending buffer in bytes, as the kernel has it.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.socket.send_buffer_size().map(|size| size as u32)
    }

    /// Sets the size of the receiving buffer in bytes. The kernel doubles it and keeps it within its
    /// limits.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(size as usize)
    }

    /// The size of the receiving buffer in bytes, as the kernel has it.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.socket.recv_buffer_size().map(|size| size as u32)
    }

    /// Sets the type of service of IPv4 packets (`IP_TOS`).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`; a socket of the other family has no such option.
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.socket.set_tos_v4(tos)
    }

    /// The type of service of IPv4 packets (`IP_TOS`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`; a socket of the other family has no such option.
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.socket.tos_v4()
    }

    /// Sets the traffic class of IPv6 packets (`IPV6_TCLASS`).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`; a socket of the other family has no such option.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        self.socket.set_tclass_v6(tclass)
    }

    /// The traffic class of IPv6 packets (`IPV6_TCLASS`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`; a socket of the other family has no such option.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.socket.tclass_v6()
    }

    /// Sets how long a close lingers for data that was not sent yet; the thread that closes waits for
    /// it. The option has whole seconds: a part of one counts as one, and more than it can hold
    /// (`c_int::MAX`, 68 years) as that.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_linger(&self, duration: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(duration.map(linger_seconds))
    }

    /// Makes a close throw away what was not sent and reset the connection.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// How long a close lingers (`SO_LINGER`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Sends and receives through one network interface only (`SO_BINDTODEVICE`); `None` for any.
    ///
    /// # Errors
    ///
    /// There is no such interface, or the process may not do this.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket.bind_device(interface)
    }

    /// The interface that was set by [`bind_device`](Self::bind_device).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.socket.device()
    }

    /// The address to which it is bound.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.socket.local_addr()?;
        addr.as_socket().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket has no IP address: it was not made as a TCP socket",
            )
        })
    }

    /// The pending error of the socket, which is thereby cleared.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt`.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// Binds it to `addr`.
    ///
    /// # Errors
    ///
    /// Those of `bind(2)`: the address is in use, not one of this machine, or needs a privilege.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&addr.into())
    }

    /// Connects it to `addr`.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the socket.
    ///
    /// # Errors
    ///
    /// Those of `connect(2)`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        driver::assert_current();
        match self.socket.connect(&addr.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        TcpStream::connected(mio::net::TcpStream::from_std(self.socket.into())).await
    }

    /// Makes it a listener with room for `backlog` connections that were not accepted yet.
    ///
    /// # Errors
    ///
    /// Those of `listen(2)`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        driver::assert_current();
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(TcpListener::new(mio::net::TcpListener::from_std(self.socket.into())))
    }
}

const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl FromRawFd for TcpSocket {
    /// Takes over a descriptor, which should be a TCP socket in nonblocking mode.
    unsafe fn from_raw_fd(fd: RawFd) -> TcpSocket {
        // SAFETY: the caller promises that the descriptor is open and that nobody else owns it.
        TcpSocket { socket: unsafe { Socket::from_raw_fd(fd) } }
    }
}

impl IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> RawFd {
        self.socket.into_raw_fd()
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}
