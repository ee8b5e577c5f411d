//! Steps for [`Prepare::step`](crate::child::Prepare::step) that confine a child.

use caps::CapSet;
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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

/// The nice value of the calling thread.
///
/// # Panics
/// When the kernel does not say.
pub fn nice() -> i32 {
    rustix::process::getpriority_process(None).expect("a thread may ask for its own")
}

/// Gives up every capability of the calling thread, for good.
///
/// # Errors
/// What the kernel says.
pub fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    let sets = [CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable];
    sets.into_iter().try_for_each(|set| caps::clear(None, set))
}

/// As [`unprivileged`], but keeps these capabilities, by their numbers.
///
/// # Errors
/// What the kernel says; EPERM if this process is not root.
pub fn only_capabilities(numbers: &[u32]) -> io::Result<()> {
    /// The version of the call with 64 capabilities, in two halves.
    const VERSION_3: u32 = 0x2008_0522;
    let check = |result: libc::c_long| {
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: takes no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) }.into())?;
    unprivileged()?;
    let set = numbers.iter().fold(0u64, |set, number| set | 1 << number);
    // Effective, permitted, inheritable; the latter so that they can be made ambient below.
    let halves = [[set as u32; 3], [(set >> 32) as u32; 3]];
    let header = [VERSION_3, 0];
    // SAFETY: the two arrays have the layout that the version says, and outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const halves) })?;
    for number in numbers {
        let (raise, number) = (libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(*number));
        // SAFETY: takes no pointers. Ambient capabilities are those that exec keeps.
        check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, number, 0, 0) }.into())?;
    }
    Ok(())
}

/// Goes on as process 1 of a PID namespace of its own, with its own `/proc`. The process that took
/// the step waits for it and passes its exit code on.
///
/// # Errors
/// What the kernel says; EPERM if this process is not root.
pub fn pid_namespace() -> io::Result<()> {
    // SAFETY: unshares namespaces of the calling thread, which is alone in the freshly forked process.
    if unsafe { libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the process has one thread, so the child may go on as it likes.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        child => {
            let mut status = 0;
            // SAFETY: the descriptors are used by nobody in this process any more; one of them tells
            // the parent that the child has started, by being closed. `status` outlives the call.
            // _exit runs no destructors.
            unsafe {
                libc::close_range(3, u32::MAX, 0);
                while libc::waitpid(child, &raw mut status, 0) < 0 {}
                libc::_exit(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 })
            }
        }
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", private)?;
    Ok(rustix::mount::mount(c"proc", c"/proc", c"proc", MountFlags::empty(), None)?)
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

/// Allows only these CPUs to every thread of the process, as `taskset -a` does; a thread that is made
/// meanwhile inherits from one of them.
///
/// # Panics
/// Without `/proc`.
pub fn move_everybody(cpus: &[usize]) {
    let process = procfs::process::Process::myself().expect("/proc is mounted");
    for task in process.tasks().expect("a process has threads").flatten() {
        // A thread may have ended since.
        let _ = affinity(rustix::thread::Pid::from_raw(task.tid), cpus);
    }
}

/// The CPUs that the calling thread may use.
///
/// # Errors
/// What the kernel says.
pub fn allowed() -> io::Result<Vec<usize>> {
    allowed_to(None)
}

/// The CPUs that a thread, or the calling one, may use.
///
/// # Errors
/// What the kernel says.
pub fn allowed_to(tid: Option<rustix::thread::Pid>) -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(tid)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Goes on in a user namespace of its own, in which nobody is mapped.
///
/// # Errors
/// What the kernel says; EPERM or ENOSPC where user namespaces are refused.
pub fn user_namespace() -> io::Result<()> {
    // SAFETY: only unshares a namespace of the calling thread, which is alone in the freshly forked
    // process.
    let result = unsafe { libc::unshare(libc::CLONE_NEWUSER) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
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

/// Threads of all processes of this user.
///
/// # Panics
/// When `/proc` is not mounted.
pub fn threads_of_user() -> u64 {
    let uid = rustix::process::geteuid().as_raw();
    let processes = procfs::process::all_processes().expect("/proc is mounted").flatten();
    processes
        .filter(|process| process.uid().is_ok_and(|owner| owner == uid))
        .filter_map(|process| process.tasks().ok())
        .map(|tasks| tasks.count() as u64)
        .sum()
}

/// Sets how many threads this user may have (`RLIMIT_NPROC`). Returns what it was before; `None` is no
/// limit.
///
/// # Panics
/// Above the hard limit.
pub fn limit_threads(soft: Option<u64>) -> Option<u64> {
    let before = getrlimit(Resource::Nproc);
    let limit = Rlimit { current: soft, maximum: before.maximum };
    setrlimit(Resource::Nproc, limit).expect("below the hard limit");
    before.current
}
