//! What runs in the kernel.

use std::io;
use std::os::fd::BorrowedFd;

use super::asm::{Helper, If, Insn, Program, Reg, Width};
use super::btf::{Btf, Kind};
use super::call;

/// Slots in the table; more threads than this at once are not listed.
pub(super) const SLOTS: u32 = 1024;
/// The size of a slot: threads write theirs all the time, so each has a cache line.
pub(super) const SLOT_SIZE: u32 = 1 << SLOT_SHIFT;
const SLOT_SHIFT: i32 = 6;
/// Where `armed` and `blocked` are in a slot.
pub(super) const ARMED: i16 = 0;
pub(super) const BLOCKED: i16 = 8;
/// Bells, one for each core of all runtimes.
pub(super) const BELLS: u32 = 1024;

/// What the hash has for a thread id.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Listing {
    pub(super) slot: u32,
    pub(super) bell: u32,
}
const LISTING_SLOT: i16 = 0;
const LISTING_BELL: i16 = 4;

/// What the program refers to.
#[derive(Clone, Copy)]
pub(super) struct Maps<'a> {
    /// Thread id to [`Listing`].
    pub(super) listings: BorrowedFd<'a>,
    /// One value: the table of slots.
    pub(super) slots: BorrowedFd<'a>,
    /// Number to ring buffer.
    pub(super) bells: BorrowedFd<'a>,
}

/// The process that is watched, as the kernel knows it: its id counts in a PID namespace, which is a
/// file of the kernel's own file system for namespaces.
#[derive(Clone, Copy)]
pub(super) struct Process {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) id: u32,
}

impl Process {
    /// This one.
    pub(super) fn this() -> io::Result<Process> {
        let namespace = rustix::fs::stat("/proc/self/ns/pid")?;
        // The kernel's own form of a device number, which is not that of stat.
        let (major, minor) =
            (rustix::fs::major(namespace.st_dev), rustix::fs::minor(namespace.st_dev));
        let device = u64::from(major) << 20 | u64::from(minor);
        Ok(Process { device, inode: namespace.st_ino, id: std::process::id() })
    }
}

/// A tracepoint of the scheduler's.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) btf_id: u32,
    state: State,
}

/// Where it is told what becomes of the task that leaves; 0 if it stays runnable.
#[derive(Clone, Copy)]
enum State {
    /// At this offset in the task.
    InTask(i16),
    /// In this argument.
    Argument(i16),
}

/// The first argument of both: is the task preempted?
const PREEMPTED: i16 = 0;
/// Arguments are words.
const ARGUMENT: i16 = 8;

impl Site {
    pub(super) const ENTRY: &'static str = "sched_entry_tp";
    pub(super) const SWITCH: &'static str = "sched_switch";

    /// `sched_entry_tp(preempt)`; `None` before Linux 6.17.
    pub(super) fn entry(btf: &Btf) -> Option<Site> {
        let typedef = btf.find(Kind::Typedef, "btf_trace_sched_entry_tp")?;
        let state = btf.offset_of("task_struct", "__state")?.try_into().ok()?;
        Some(Site { name: Self::ENTRY, btf_id: typedef.id, state: State::InTask(state) })
    }

    /// `sched_switch(preempt, prev, next, prev_state)`; `None` before Linux 5.18, which did not tell
    /// the state.
    pub(super) fn switch(btf: &Btf) -> Option<Site> {
        let typedef = btf.find(Kind::Typedef, "btf_trace_sched_switch")?;
        // Behind a pointer that belongs to whoever registered the probe.
        btf.ends_with_integer(typedef, 4).then_some(Site {
            name: Self::SWITCH,
            btf_id: typedef.id,
            state: State::Argument(3 * ARGUMENT),
        })
    }
}

/// Wakes whoever polls, even if older records are not consumed.
const FORCE_WAKEUP: i32 = 1 << 1;

/// The instructions for a tracepoint.
pub(super) fn assemble(site: Site, process: Process, maps: Maps<'_>) -> Vec<Insn> {
    use Reg::{Frame, R0, R1, R2, R3, R4, R6, R7, R8};
    // On the stack: what the namespace helper writes (thread id, process id), a key, a record.
    const THREAD: i16 = -8;
    const PROCESS: i16 = -4;
    const BELL: i16 = -16;
    const RECORD: i16 = -24;

    let mut p = Program::default();
    let out = p.label();

    // Only a task that goes to sleep.
    p.load(Width::U64, R2, R1, PREEMPTED);
    p.jump_if(If::NotEqual, R2, 0, out);
    match site.state {
        State::InTask(offset) => {
            p.call(Helper::CurrentTask);
            p.load(Width::U32, R2, R0, offset);
        }
        State::Argument(offset) => p.load(Width::U64, R2, R1, offset),
    }
    p.jump_if(If::Equal, R2, 0, out);

    // Only of this process. The helper fails for a task of another namespace.
    p.set_u64(R1, process.device);
    p.set_u64(R2, process.inode);
    p.set_address(R3, Frame, THREAD.into());
    p.set(R4, 8);
    p.call(Helper::PidInNamespace);
    p.jump_if(If::NotEqual, R0, 0, out);
    p.load(Width::U32, R1, Frame, PROCESS);
    p.jump_if(If::NotEqual, R1, process.id as i32, out);

    // Only if listed.
    p.set_map(R1, maps.listings);
    p.set_address(R2, Frame, THREAD.into());
    p.call(Helper::MapLookup);
    p.jump_if(If::Equal, R0, 0, out);
    p.load(Width::U32, R7, R0, LISTING_SLOT);
    p.load(Width::U32, R8, R0, LISTING_BELL);
    p.jump_if(If::AtLeast, R7, SLOTS as i32, out);

    // Only if armed; then say with which stamp it went to sleep.
    p.shift_left(R7, SLOT_SHIFT);
    p.set_map_value(R6, maps.slots);
    p.add(R6, R7);
    p.load(Width::U64, R7, R6, ARMED);
    p.jump_if(If::Equal, R7, 0, out);
    p.store(Width::U64, R6, BLOCKED, R7);

    // And ring. A full buffer, which nobody has looked at for long, changes nothing.
    p.store(Width::U32, Frame, BELL, R8);
    p.store(Width::U64, Frame, RECORD, R7);
    p.set_map(R1, maps.bells);
    p.set_address(R2, Frame, BELL.into());
    p.call(Helper::MapLookup);
    p.jump_if(If::Equal, R0, 0, out);
    p.copy(R1, R0);
    p.set_address(R2, Frame, RECORD.into());
    p.set(R3, 8);
    p.set(R4, FORCE_WAKEUP);
    p.call(Helper::RingBufferOutput);

    p.bind(out);
    p.set(R0, 0);
    p.exit();
    p.finish()
}

/// The maps' shapes.
pub(super) const LISTINGS: call::MapSpec = call::MapSpec {
    kind: call::MapKind::Hash,
    key: 4,
    value: size_of::<Listing>() as u32,
    entries: SLOTS,
    flags: call::F_NO_PREALLOC,
};
pub(super) const SLOT_TABLE: call::MapSpec = call::MapSpec {
    kind: call::MapKind::Array,
    key: 4,
    // The program takes the address of the first value, which the kernel allows for the only one.
    value: SLOTS * SLOT_SIZE,
    entries: 1,
    flags: call::F_MMAPABLE,
};
pub(super) const BELL_TABLE: call::MapSpec =
    call::MapSpec { kind: call::MapKind::ArrayOfMaps, key: 4, value: 4, entries: BELLS, flags: 0 };
