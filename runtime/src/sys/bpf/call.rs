//! The commands of bpf(2) that the hook needs.
//!
//! `libc` has the number of the call and nothing else. Of each argument block only the beginning is
//! declared: the kernel takes what is missing as zero.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::asm::Insn;

/// Values of `enum bpf_map_type`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum MapKind {
    Hash = 1,
    Array = 2,
    ArrayOfMaps = 12,
    RingBuffer = 27,
}

/// May be mapped by user space.
pub(super) const F_MMAPABLE: u32 = 1 << 10;
/// Elements are allocated when they are inserted.
pub(super) const F_NO_PREALLOC: u32 = 1;

const MAP_CREATE: i32 = 0;
const MAP_UPDATE_ELEM: i32 = 2;
const MAP_DELETE_ELEM: i32 = 3;
const PROG_LOAD: i32 = 5;
const RAW_TRACEPOINT_OPEN: i32 = 17;
const MAP_UPDATE_BATCH: i32 = 26;

const PROG_TYPE_TRACING: u32 = 26;
const TRACE_RAW_TP: u32 = 23;

/// What `bpftool` shows; 15 bytes at most, the rest zero.
type Name = [u8; 16];

const NAME: Name = *b"cmwq_blocked\0\0\0\0";

/// What a map is made of.
#[derive(Clone, Copy)]
pub(super) struct MapSpec {
    pub(super) kind: MapKind,
    pub(super) key: u32,
    pub(super) value: u32,
    pub(super) entries: u32,
    pub(super) flags: u32,
}

/// Makes a map. `inner`: a map like those that a map of maps will hold.
pub(super) fn create_map(spec: MapSpec, inner: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Args {
        kind: u32,
        key: u32,
        value: u32,
        entries: u32,
        flags: u32,
        inner_fd: u32,
        numa_node: u32,
        name: Name,
    }
    let mut args = Args {
        kind: spec.kind as u32,
        key: spec.key,
        value: spec.value,
        entries: spec.entries,
        flags: spec.flags,
        inner_fd: inner.map_or(0, number),
        numa_node: 0,
        name: NAME,
    };
    // SAFETY: no field is an address.
    unsafe { bpf_fd(MAP_CREATE, &mut args) }
}

#[repr(C)]
struct Element {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Sets the element of a key. `K` and `V` must have the sizes that the map was made with.
///
/// # Safety
///
/// As for `K` and `V`: the kernel reads as many bytes as the map says.
pub(super) unsafe fn set_element<K: Copy, V: Copy>(
    map: BorrowedFd<'_>,
    key: &K,
    value: &V,
) -> io::Result<()> {
    let (key, value) = (address(key), address(value));
    let mut args = Element { map_fd: number(map), padding: 0, key, value, flags: 0 };
    // SAFETY: both addresses are those of values that outlive the call, of sufficient size as the
    // caller promises.
    unsafe { bpf(MAP_UPDATE_ELEM, &mut args) }.map(drop)
}

/// Removes the element of a key; `ENOENT` if there is none.
///
/// # Safety
///
/// `K` must have the size that the map was made with.
pub(super) unsafe fn remove_element<K: Copy>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    let mut args =
        Element { map_fd: number(map), padding: 0, key: address(key), value: 0, flags: 0 };
    // SAFETY: the key outlives the call and is of sufficient size.
    unsafe { bpf(MAP_DELETE_ELEM, &mut args) }.map(drop)
}

/// Sets elements of an array with 4-byte values.
///
/// One call for all: after each change of an array of maps the kernel waits for an RCU grace period,
/// some 10 ms.
///
/// # Safety
///
/// The map must have keys and values of 4 bytes.
pub(super) unsafe fn set_elements(
    map: BorrowedFd<'_>,
    keys: &[u32],
    values: &[u32],
) -> io::Result<()> {
    #[repr(C)]
    struct Args {
        in_batch: u64,
        out_batch: u64,
        keys: u64,
        values: u64,
        count: u32,
        map_fd: u32,
        element_flags: u64,
        flags: u64,
    }
    assert_eq!(keys.len(), values.len());
    let mut args = Args {
        in_batch: 0,
        out_batch: 0,
        keys: address(keys),
        values: address(values),
        count: keys.len() as u32,
        map_fd: number(map),
        element_flags: 0,
        flags: 0,
    };
    // SAFETY: both slices have `count` elements of the size that the map has.
    unsafe { bpf(MAP_UPDATE_BATCH, &mut args) }.map(drop)
}

/// Loads a program for the tracepoint that `btf_id` names.
///
/// # Errors
///
/// What the kernel says; where the verifier refuses the program, with the end of what it says.
pub(super) fn load_program(code: &[Insn], btf_id: u32) -> io::Result<OwnedFd> {
    let first = try_load(code, btf_id, &mut []);
    match first {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            let mut log = vec![0; 1 << 16];
            // Only for its words: the first answer stands.
            let _ = try_load(code, btf_id, &mut log);
            let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
            let log = String::from_utf8_lossy(&log[..end]);
            let said = log.trim_end().lines().rev().find(|line| !line.starts_with("processed"));
            Err(io::Error::new(error.kind(), format!("{error}: {}", said.unwrap_or_default())))
        }
        other => other,
    }
}

fn try_load(code: &[Insn], btf_id: u32, log: &mut [u8]) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Args {
        kind: u32,
        length: u32,
        code: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
        name: Name,
        interface: u32,
        attach_type: u32,
        btf_fd: u32,
        function_size: u32,
        functions: u64,
        function_count: u32,
        line_size: u32,
        lines: u64,
        line_count: u32,
        attach_btf_id: u32,
    }
    // The helpers that read the scheduler's state ask for it.
    let license: &CStr = c"GPL";
    let mut args = Args {
        kind: PROG_TYPE_TRACING,
        length: code.len() as u32,
        code: address(code),
        license: license.as_ptr().addr() as u64,
        log_level: (!log.is_empty()).into(),
        log_size: log.len() as u32,
        log: if log.is_empty() { 0 } else { log.as_mut_ptr().addr() as u64 },
        kernel_version: 0,
        flags: 0,
        name: NAME,
        interface: 0,
        attach_type: TRACE_RAW_TP,
        btf_fd: 0,
        function_size: 0,
        functions: 0,
        function_count: 0,
        line_size: 0,
        lines: 0,
        line_count: 0,
        attach_btf_id: btf_id,
    };
    // SAFETY: `code` and `license` outlive the call, and the kernel writes at most `log_size` bytes
    // to `log`, which is borrowed mutably.
    unsafe { bpf_fd(PROG_LOAD, &mut args) }
}

/// Runs the program at its tracepoint for as long as the result is open.
pub(super) fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Args {
        name: u64,
        program_fd: u32,
        padding: u32,
    }
    // No name: the program was loaded for one tracepoint.
    let mut args = Args { name: 0, program_fd: number(program), padding: 0 };
    // SAFETY: no field is an address.
    unsafe { bpf_fd(RAW_TRACEPOINT_OPEN, &mut args) }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn address<T: ?Sized>(value: &T) -> u64 {
    let value: *const T = value;
    // The kernel is told a number; provenance is exposed so that it may follow it.
    value.cast::<()>().expose_provenance() as u64
}

/// A command whose answer is a new descriptor; bpf(2) makes all of them close-on-exec.
///
/// # Safety
///
/// As for [`bpf`].
unsafe fn bpf_fd<T>(command: i32, args: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let fd = unsafe { bpf(command, args) }?;
    // SAFETY: the call has just returned this descriptor, nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
///
/// `args` must be the beginning of the block that the command takes, without padding of the
/// compiler's, and its addresses must be valid for what the command reads and writes there.
unsafe fn bpf<T>(command: i32, args: &mut T) -> io::Result<i32> {
    let args: *mut T = args;
    // SAFETY: the block is valid for the call and its size is said; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, args, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
