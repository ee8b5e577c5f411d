//! A program in the kernel that sees the threads of this process go to sleep.
//!
//! It runs wherever the scheduler is about to switch tasks, on every CPU of the machine, and does
//! next to nothing unless the task is a thread of ours that is *listed*, *armed* and goes to sleep.
//! Then it says so in memory that both sides have mapped, and rings the bell of the thread's core, a
//! descriptor that a standby waits for. Some forty instructions, assembled here and loaded by bpf(2).
//!
//! | part | what |
//! |---|---|
//! | `asm`, `call`, `btf` | instructions; the system call; the kernel's own type description |
//! | `program` | the instructions, and which tracepoint they are for |
//! | [`Hook`] | the loaded program and its maps, one for the process |
//! | [`Slot`] | what one thread shares with the program |
//! | [`Bell`] | what the standbys of one core wait for |
//!
//! # Where it hooks in
//!
//! `sched_entry_tp` (Linux 6.17) is hit before the scheduler takes its lock: interrupts are on, so
//! the standby is runnable before the next task is picked. It also fires for a sleep that a pending
//! signal then calls off. Kernels without it have `sched_switch`, under the lock, where the wakeup
//! has to wait until the switch is done; about 1 us and, on machines that emulate interrupts, one
//! run of the idle task later. In both, `current` is the task that leaves.
//!
//! # Whose threads
//!
//! One program serves all runtimes of the process, since each hook costs every context switch of the
//! machine. It compares the process id as the process's own PID namespace counts (in a container no
//! other number is known on both sides), then looks the thread id up in a hash: a thread that is
//! listed has a place in the table of slots and the number of its core's bell. A foreign task pays
//! for a few comparisons, a sleeping one for the namespace helper too, one of this process for the
//! lookup. (A table by CPU would do without the lookup, but only for pinned workers; the kernel's
//! per-task storage can be filled in from user space only by way of a descriptor per thread, and for
//! threads other than the first one not before Linux 6.9.)
//!
//! # A slot
//!
//! ```text
//! armed    written by user space: a stamp, 0 while the thread's sleep is nobody's business
//! blocked  written by the program: the stamp with which the thread went to sleep
//! ```
//!
//! Both are plain stores, 64 bits, no call. The program runs as the thread itself, on its CPU, so it
//! sees the thread's own stores in program order. `blocked` stays: who comes too late for the bell
//! compares it with the stamp of now. It says that the thread went to sleep with this stamp, not
//! that it is asleep still.
//!
//! `armed` has one writer at a time, the thread while it holds its core; after a takeover the new
//! holder writes 0, once. A zero that comes so late that the thread is armed again silences it for
//! one poll; nothing breaks.
//!
//! # Lifetime
//!
//! A listed thread unlists itself before it ends, as its id may be used again. Its place is free when
//! the last [`Slot`] is dropped. Bells go back to the hook, not to the kernel, which takes a grace
//! period of RCU for each change of their table. The program is detached with the last [`Hook`]; a
//! forked child, whose threads have other ids, loads its own.
//!
//! # Rejected
//!
//! - One ring buffer for all cores: each block would wake a standby of every core.
//! - Waking by signal (`bpf_send_signal_task`, Linux 6.13): takes a signal from the program, and where
//!   preemption is off, as in the scheduler, the kernel sends it from an interrupt as well.
//! - Clang and ELF at build time, or libbpf: a toolchain for forty instructions.

mod asm;
mod bell;
mod btf;
mod call;
mod hook;
mod places;
mod program;
mod refusal;
mod slot;
#[cfg(test)]
mod tests;

pub use bell::Bell;
pub use hook::Hook;
pub use slot::Slot;
