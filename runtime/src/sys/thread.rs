//! The calling thread, and what the kernel tells about others by thread id.
//!
//! Where a function takes a `tid`, 0 means the calling thread. A thread id may be reused after its
//! thread ended; callers hold on to threads that they have not joined yet.

use std::io;
use std::num::NonZeroU64;

/// The kernel's id of the calling thread.
pub fn gettid() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// How much later than asked the kernel may end a sleep of the calling thread, in nanoseconds
/// (50,000 by default, inherited by the threads it makes).
///
/// 1 is the smallest; 0 asks for the value that the thread began with.
pub fn set_timer_slack_ns(ns: u64) {
    // Cannot fail for the calling thread.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(ns));
}

/// The timer slack of the calling thread in nanoseconds.
pub fn timer_slack_ns() -> u64 {
    // The kernel's default stands in where a filter refuses the question.
    rustix::thread::current_timer_slack().unwrap_or(50_000)
}

/// Gives the calling thread the policy `SCHED_IDLE`: it runs when its CPU has nothing else to do.
///
/// Going back needs CAP_SYS_NICE or a raised RLIMIT_NICE; treat it as final.
///
/// # Errors
///
/// `EPERM` where a filter refuses `sched_setscheduler`.
pub fn set_policy_idle() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads one `sched_param` from a pointer that is valid for the call.
    let rc = unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_IDLE, &raw const param)
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the calling thread the policy `SCHED_FIFO` with a priority from 1 to 99: it runs before all
/// normal threads until it sleeps. Threads and processes that it makes are normal ones.
///
/// # Errors
///
/// `EPERM` without CAP_SYS_NICE or RLIMIT_RTPRIO, in a cgroup without real-time runtime, and where a
/// filter refuses; `EINVAL` for another priority.
pub fn set_policy_fifo(priority: u8) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority.into() };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads one `sched_param` from a pointer that is valid for the call.
    let rc = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const param) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The nice value of the calling thread: -20 (most urgent) to 19.
pub fn nice() -> i32 {
    // Linux has one per thread, and 0 names the calling one. -1 may be a value or an error; there is
    // none for the calling thread.
    // SAFETY: takes no pointers.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Gives thread `tid` a nice value from -20 (most urgent) to 19. Threads that it makes inherit it.
///
/// # Errors
///
/// `EACCES` if the value is lower than the present one and neither CAP_SYS_NICE nor RLIMIT_NICE
/// ([`limits::lowest_nice`](super::limits::lowest_nice)) permits it; `ESRCH` if there is no such
/// thread.
pub fn set_nice(tid: i32, nice: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    let rc = unsafe { libc::setpriority(libc::PRIO_PROCESS, tid as libc::id_t, nice) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets other threads of this CPU run first.
pub fn yield_now() {
    std::thread::yield_now();
}

/// CPU time that thread `tid` of this process has used, in nanoseconds; `None` if it is gone.
///
/// Time in which the thread was preempted or blocked does not count. About 0.3 us.
pub fn cpu_time_ns(tid: i32) -> Option<u64> {
    // The layout of such a clock id is part of the kernel's interface: the inverted id, then two
    // bits "scheduler's clock" and one "of a thread, not of a process".
    const OF_THREAD: i32 = 4;
    const SCHED: i32 = 2;
    let clock: libc::clockid_t = (!tid << 3) | OF_THREAD | SCHED;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec` to a pointer that is valid for the call.
    let rc = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (rc == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// CPU time that the calling thread has used, in nanoseconds; `None` if the kernel does not say.
pub fn own_cpu_time_ns() -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec` to a pointer that is valid for the call.
    let rc = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    (rc == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `f` in a thread of its own, since most of these settings stay.
    fn in_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(f).join().unwrap()
    }

    #[test]
    fn ids() {
        assert_ne!(in_thread(gettid), gettid());
    }

    #[test]
    fn slack() {
        in_thread(|| {
            let first = timer_slack_ns();
            set_timer_slack_ns(1);
            assert_eq!(timer_slack_ns(), 1);
            set_timer_slack_ns(first);
            assert_eq!(timer_slack_ns(), first);
        });
    }

    #[test]
    fn nice_goes_up_for_everybody() {
        in_thread(|| {
            let before = nice();
            set_nice(0, 19).unwrap();
            assert_eq!(nice(), 19);
            assert!(before < 19);
            let denied = set_nice(1 << 23, 19).unwrap_err();
            assert_eq!(denied.raw_os_error(), Some(libc::ESRCH), "larger than any thread id");
        });
    }

    #[test]
    fn policy_idle() {
        in_thread(|| {
            set_policy_idle().unwrap();
            // SAFETY: takes no pointers.
            let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
            assert_eq!(policy, libc::SCHED_IDLE.into());
        });
    }

    #[test]
    fn policy_fifo() {
        in_thread(|| {
            assert_eq!(set_policy_fifo(0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
            let granted = set_policy_fifo(1);
            // SAFETY: takes no pointers.
            let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
            match granted {
                Ok(()) => {
                    assert_eq!(policy, (libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK).into());
                    // SAFETY: takes no pointers.
                    let made =
                        in_thread(|| unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) });
                    assert_eq!(made, libc::SCHED_OTHER.into(), "not inherited");
                }
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
                    assert_eq!(policy, libc::SCHED_OTHER.into());
                }
            }
        });
    }

    #[test]
    fn cpu_time_grows_only_while_running() {
        let tid = gettid();
        let start = cpu_time_ns(tid).unwrap();
        while cpu_time_ns(tid).unwrap() - start < 2_000_000 {}
        let ran = cpu_time_ns(tid).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(cpu_time_ns(tid).unwrap() - ran < 15_000_000);
        // Larger than the kernel's largest thread id.
        assert_eq!(cpu_time_ns(1 << 23), None);
    }
}
