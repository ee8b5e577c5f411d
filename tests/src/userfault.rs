//! A page whose first touch sleeps until somebody provides it.

use rustix::mm::{MapFlags, ProtFlags, UserfaultfdFlags};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

fn page_size() -> usize {
    rustix::param::page_size()
}

// From linux/userfaultfd.h; the generic ioctl encoding is that of x86_64 and aarch64.
const UFFD_API: u64 = 0xaa;
const UFFD_USER_MODE_ONLY: u32 = 1;
const UFFDIO_API: libc::Ioctl = 0xc018_aa3f_u32 as libc::Ioctl;
const UFFDIO_REGISTER: libc::Ioctl = 0xc020_aa00_u32 as libc::Ioctl;
const UFFDIO_COPY: libc::Ioctl = 0xc028_aa03_u32 as libc::Ioctl;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copy: i64,
}

/// The page and the descriptor that provides it. The page is never unmapped: a thread of a
/// failed test may still sleep in it.
pub struct UserFault {
    fd: OwnedFd,
    page: usize,
}

impl UserFault {
    /// A fresh page that nobody has touched.
    ///
    /// # Errors
    /// What the kernel says: ENOSYS and EPERM are refusals.
    pub fn new() -> io::Result<UserFault> {
        let user_only = UserfaultfdFlags::from_bits_retain(UFFD_USER_MODE_ONLY);
        let flags = UserfaultfdFlags::CLOEXEC;
        // SAFETY: the descriptor watches nothing until a range is registered below.
        let fd = unsafe {
            // The flag that unprivileged users need came with Linux 5.11.
            match rustix::mm::userfaultfd(flags | user_only) {
                Err(rustix::io::Errno::INVAL) => rustix::mm::userfaultfd(flags)?,
                other => other?,
            }
        };
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no other
        // memory.
        let page = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), page_size(), protection, MapFlags::PRIVATE)?
        } as usize;
        let mut api = Api { api: UFFD_API, features: 0, ioctls: 0 };
        let mut register = Register {
            start: page as u64,
            len: page_size() as u64,
            mode: UFFDIO_REGISTER_MODE_MISSING,
            ioctls: 0,
        };
        // SAFETY: both structures have the layout of linux/userfaultfd.h and outlive the calls;
        // the registered range is the fresh mapping, which nobody uses for anything else.
        unsafe {
            check(libc::ioctl(fd.as_raw_fd(), UFFDIO_API, &mut api))?;
            check(libc::ioctl(fd.as_raw_fd(), UFFDIO_REGISTER, &mut register))?;
        }
        Ok(UserFault { fd, page })
    }

    /// Reads the page's first byte: sleeps until [`UserFault::provide`].
    pub fn touch(&self) -> u8 {
        // SAFETY: the page is mapped for the rest of the process and only ever read here.
        unsafe { ptr::read_volatile(self.page as *const u8) }
    }

    /// Fills the page with sevens and wakes who sleeps in it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn provide(&self) -> io::Result<()> {
        let source = vec![7_u8; page_size()];
        let mut copy = Copy {
            dst: self.page as u64,
            src: source.as_ptr() as u64,
            len: page_size() as u64,
            mode: 0,
            copy: 0,
        };
        // SAFETY: source and structure outlive the call; the destination is the registered
        // page.
        unsafe { check(libc::ioctl(self.fd.as_raw_fd(), UFFDIO_COPY, &mut copy)) }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
