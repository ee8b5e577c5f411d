//! What the kernel allows this process, asked directly.

use perf_event_open_sys::bindings;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Opens a context switch event on this thread as the perf detector does.
///
/// # Errors
/// What the kernel says; EACCES and EPERM are refusals.
pub fn perf_event_open() -> io::Result<OwnedFd> {
    let mut attr = bindings::perf_event_attr {
        type_: bindings::PERF_TYPE_SOFTWARE,
        size: size_of::<bindings::perf_event_attr>() as u32,
        config: bindings::PERF_COUNT_SW_DUMMY as u64,
        ..Default::default()
    };
    attr.set_exclude_kernel(1);
    attr.set_exclude_hv(1);
    attr.set_context_switch(1);
    let flags = u64::from(bindings::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: `attr` is a complete attribute block of the size that it names and outlives the
    // call, which writes at most that block.
    let fd = unsafe { perf_event_open_sys::perf_event_open(&mut attr, 0, -1, -1, flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call made this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Loads the smallest program there is for the scheduler's `sched_switch`, which takes the
/// capabilities that the bpf detector needs.
///
/// # Errors
/// What the kernel says; EPERM is a refusal.
pub fn bpf() -> io::Result<()> {
    const PROG_LOAD: i32 = 5;
    const RAW_TRACEPOINT: u32 = 17;
    /// `r0 = 0; exit`
    const CODE: [u64; 2] = [0xb7, 0x95];
    #[repr(C)]
    struct Load {
        kind: u32,
        length: u32,
        code: *const u64,
        license: *const libc::c_char,
    }
    let (length, code) = (CODE.len() as u32, CODE.as_ptr());
    let load = Load { kind: RAW_TRACEPOINT, length, code, license: c"GPL".as_ptr() };
    // SAFETY: `load` is the beginning of the command's block, which is all that its size says; it
    // and what it points to outlive the call, which writes nothing.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const load, size_of::<Load>()) };
    check(fd)?;
    // SAFETY: the call made this descriptor and nobody else knows it.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    Ok(())
}

/// Whether `membarrier` answers a query.
///
/// # Errors
/// What the kernel says.
pub fn membarrier() -> io::Result<()> {
    // SAFETY: command 0 (query) touches no memory of the caller.
    check(unsafe { libc::syscall(libc::SYS_membarrier, 0, 0, 0) })
}

/// Whether `io_uring_setup` gets as far as looking at its arguments.
///
/// # Errors
/// What the kernel says, other than that the arguments are wrong.
pub fn io_uring_setup() -> io::Result<()> {
    // SAFETY: a null parameter block is answered by EFAULT; nothing is written.
    let result =
        check(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null::<u8>()) });
    match result {
        Err(e) if e.raw_os_error() == Some(libc::EFAULT) => Ok(()),
        other => other,
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
