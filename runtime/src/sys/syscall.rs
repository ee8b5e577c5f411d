//! Names of system calls.

/// Expands to a `match` over the calls that the architecture has.
macro_rules! names {
    ($nr:expr, $($(#[$meta:meta])? $name:ident => $call:ident),+ $(,)?) => {
        match $nr {
            $($(#[$meta])? libc::$call => Some(stringify!($name)),)+
            _ => None,
        }
    };
}

/// The name of a system call in which threads are found asleep; `None` for the others.
pub fn name(nr: i64) -> Option<&'static str> {
    names!(
        nr,
        read => SYS_read, write => SYS_write, readv => SYS_readv, writev => SYS_writev,
        pread64 => SYS_pread64, pwrite64 => SYS_pwrite64, preadv => SYS_preadv,
        pwritev => SYS_pwritev, preadv2 => SYS_preadv2, pwritev2 => SYS_pwritev2,
        openat => SYS_openat, close => SYS_close, fsync => SYS_fsync, fdatasync => SYS_fdatasync,
        sync => SYS_sync, syncfs => SYS_syncfs, sync_file_range => SYS_sync_file_range,
        ftruncate => SYS_ftruncate, fallocate => SYS_fallocate, getdents64 => SYS_getdents64,
        renameat2 => SYS_renameat2, unlinkat => SYS_unlinkat, mkdirat => SYS_mkdirat,
        statx => SYS_statx, flock => SYS_flock, fcntl => SYS_fcntl, ioctl => SYS_ioctl,
        copy_file_range => SYS_copy_file_range, sendfile => SYS_sendfile, splice => SYS_splice,
        futex => SYS_futex, nanosleep => SYS_nanosleep, clock_nanosleep => SYS_clock_nanosleep,
        ppoll => SYS_ppoll, pselect6 => SYS_pselect6, epoll_pwait => SYS_epoll_pwait,
        epoll_pwait2 => SYS_epoll_pwait2, io_uring_enter => SYS_io_uring_enter,
        accept => SYS_accept, accept4 => SYS_accept4, connect => SYS_connect,
        sendto => SYS_sendto, recvfrom => SYS_recvfrom, sendmsg => SYS_sendmsg,
        recvmsg => SYS_recvmsg, sendmmsg => SYS_sendmmsg, recvmmsg => SYS_recvmmsg,
        wait4 => SYS_wait4, waitid => SYS_waitid, execve => SYS_execve, clone => SYS_clone,
        clone3 => SYS_clone3, mmap => SYS_mmap, munmap => SYS_munmap, mprotect => SYS_mprotect,
        madvise => SYS_madvise, msync => SYS_msync, brk => SYS_brk, membarrier => SYS_membarrier,
        getrandom => SYS_getrandom, rt_sigtimedwait => SYS_rt_sigtimedwait,
        rt_sigsuspend => SYS_rt_sigsuspend, semtimedop => SYS_semtimedop, msgrcv => SYS_msgrcv,
        msgsnd => SYS_msgsnd, mq_timedreceive => SYS_mq_timedreceive,
        mq_timedsend => SYS_mq_timedsend, sched_yield => SYS_sched_yield, mount => SYS_mount,
        #[cfg(target_arch = "x86_64")] open => SYS_open,
        #[cfg(target_arch = "x86_64")] stat => SYS_stat,
        #[cfg(target_arch = "x86_64")] rename => SYS_rename,
        #[cfg(target_arch = "x86_64")] unlink => SYS_unlink,
        #[cfg(target_arch = "x86_64")] mkdir => SYS_mkdir,
        #[cfg(target_arch = "x86_64")] poll => SYS_poll,
        #[cfg(target_arch = "x86_64")] select => SYS_select,
        #[cfg(target_arch = "x86_64")] epoll_wait => SYS_epoll_wait,
        #[cfg(target_arch = "x86_64")] pause => SYS_pause,
    )
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn common_calls_have_names_and_others_none() {
        assert_eq!(name(libc::SYS_futex), Some("futex"));
        assert_eq!(name(libc::SYS_clock_nanosleep), Some("clock_nanosleep"));
        assert_eq!((name(-1), name(100_000)), (None, None));
    }
}
