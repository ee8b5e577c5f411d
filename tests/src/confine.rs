//! Steps for [`Prepare::step`](crate::child::Prepare::step) that confine a child.

use caps::CapSet;
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags};
use std::ffi::CString;
use std::io;
use std::path::Path;

/// A user that owns nothing on a usual machine. Not 65534, whose process count is shared with
/// whatever else the machine runs as "nobody".
const USER: u32 = 61_234;

/// Whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Becomes an unprivileged user, if not one already.
///
/// # Errors
/// What the kernel says.
pub fn unprivileged() -> io::Result<()> {
    if !is_root() {
        return Ok(());
    }
    // SAFETY: the three calls take no pointers that they follow: zero groups are read.
    let result =
        unsafe { libc::setgroups(0, std::ptr::null()) | libc::setgid(USER) | libc::setuid(USER) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives up every capability of the calling thread, for good.
///
/// # Errors
/// What the kernel says.
pub fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    let sets = [CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable];
    sets.into_iter().try_for_each(|set| caps::clear(None, set))
}

/// Allows only these CPUs to the calling thread, or to the thread `tid`.
///
/// # Errors
/// What the kernel says.
pub fn affinity(tid: Option<rustix::thread::Pid>, cpus: &[usize]) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    Ok(rustix::thread::sched_setaffinity(tid, &set)?)
}

/// The CPUs that the calling thread may use.
///
/// # Errors
/// What the kernel says.
pub fn allowed() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Hides `/sys` behind the empty folder `empty`.
pub struct NoSys(CString);

impl NoSys {
    /// Prepares the step; `empty` must exist when it runs.
    pub fn new(empty: &Path) -> NoSys {
        NoSys(CString::new(empty.to_str().expect("UTF-8")).expect("no NUL in a path"))
    }

    /// The step: a mount namespace of its own with `empty` mounted over `/sys`.
    ///
    /// # Errors
    /// What the kernel says; EPERM where user namespaces are refused.
    pub fn apply(&self) -> io::Result<()> {
        let user = if is_root() { 0 } else { libc::CLONE_NEWUSER };
        // SAFETY: only unshares namespaces of the calling thread, which is alone in the freshly
        // forked process.
        if unsafe { libc::unshare(libc::CLONE_NEWNS | user) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", private)?;
        Ok(rustix::mount::mount(self.0.as_c_str(), c"/sys", c"none", MountFlags::BIND, None)?)
    }
}

/// Makes a FIFO.
///
/// # Errors
/// What the kernel says.
pub fn fifo(path: &Path) -> io::Result<()> {
    use rustix::fs::{FileType, Mode};
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}
