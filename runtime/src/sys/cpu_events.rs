//! What the kernel tells of CPUs that come and go.
//!
//! A change of a device is broadcast on a netlink socket that needs no privilege to listen to. The
//! messages of all other devices are dropped by a filter in the kernel, so that a disk that is
//! plugged in wakes nobody. A message is taken as a hint and not read: whoever gets one looks for
//! himself, so a forged or a lost one does no harm.
//!
//! A container whose network namespace belongs to a user namespace of its own gets a socket and no
//! messages; [`CpuEvents::open`] refuses there, since silence would pass for peace.

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The group that the kernel itself sends to; that of udev, which comes later, is another.
const KERNEL_GROUP: u32 = 1;

/// A socket that becomes readable when a CPU goes offline or comes online.
#[derive(Debug)]
pub struct CpuEvents(OwnedFd);

impl CpuEvents {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// `EPERM`, `EACCES` or `EAFNOSUPPORT` where a filter or the kernel's configuration refuses;
    /// [`io::ErrorKind::Unsupported`] inside of a user namespace.
    pub fn open() -> io::Result<CpuEvents> {
        if is_in_user_namespace() {
            let why = "the kernel sends no events about CPUs to a user namespace";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(KOBJECT_UEVENT))?;
        // Before the bind, from which on messages come.
        attach_filter(&socket)?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(CpuEvents(socket))
    }

    /// Takes back all messages so far; `true` if there were any.
    pub fn drain(&self) -> bool {
        let mut any = false;
        loop {
            match recv(&self.0, &mut [0u8; 64], RecvFlags::TRUNC) {
                Ok(_) => any = true,
                // Some were lost.
                Err(rustix::io::Errno::NOBUFS) => any = true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return any,
            }
        }
    }
}

impl AsFd for CpuEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether user ids are mapped, as they are in nearly every user namespace but the first. Without
/// `/proc` it is taken for that one.
fn is_in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map");
    map.is_ok_and(|map| !map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Four characters of a message as the filter's machine loads them.
const fn word(text: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*text)
}

/// A message begins with `offline@/devices/system/cpu/cpu3` or `online@...`, and that is all that the
/// filter looks at.
fn attach_filter(socket: &OwnedFd) -> io::Result<()> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const DEVICES: u32 = "@/devices/system/".len() as u32;
    let step = |code, yes, no, k| libc::sock_filter { code, jt: yes, jf: no, k };
    let mut program = [
        step(LOAD, 0, 0, 0),
        step(IF_EQUAL, 2, 0, word(b"onli")),
        step(IF_EQUAL, 3, 0, word(b"offl")),
        step(RETURN, 0, 0, 0),
        step(LOAD, 0, 0, "online".len() as u32 + DEVICES),
        step(IF_EQUAL, 2, 3, word(b"cpu/")),
        step(LOAD, 0, 0, "offline".len() as u32 + DEVICES),
        step(IF_EQUAL, 0, 1, word(b"cpu/")),
        step(RETURN, 0, 0, u32::MAX),
        step(RETURN, 0, 0, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let size = size_of_val(&program) as libc::socklen_t;
    // SAFETY: the option takes a `sock_fprog`, whose array outlives the call; the kernel checks and
    // copies the program.
    let rc = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendFlags, socketpair};

    /// The filter, on sockets of which the other end is ours.
    #[test]
    fn only_cpus_that_come_or_go_pass_the_filter() {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, filtered) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None).unwrap();
        attach_filter(&filtered).unwrap();
        let events = CpuEvents(filtered);
        for (message, passes) in [
            ("online@/devices/system/cpu/cpu3\0ACTION=online\0", true),
            ("offline@/devices/system/cpu/cpu12\0ACTION=offline\0", true),
            ("online@/devices/system/memory/memory7\0", false),
            ("offline@/devices/system/memory/memory7\0", false),
            ("add@/devices/system/cpu/cpu3\0", false),
            ("change@/devices/virtual/block/loop0\0", false),
            ("on", false),
            ("online@", false),
        ] {
            // A message that the filter drops is an error on this kind of socket.
            let sent = rustix::net::send(&ours, message.as_bytes(), SendFlags::empty());
            assert_eq!(events.drain(), passes, "{message:?}, sent: {sent:?}");
        }
    }

    #[test]
    fn it_listens_or_says_why_not() {
        match CpuEvents::open() {
            Ok(events) => assert!(!events.drain(), "nothing has come or gone"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
