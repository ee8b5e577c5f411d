//! The ways to run a runtime that each behaviour is tested under.

use crate::running::Running;
use crate::{probe, skip, watchdog};
use cmwq::runtime::{Builder, Detector, Pin, Runtime};
use std::time::Duration;

/// Longer than any test, above all as a threshold of CPU time: while the machine stops a CPU, that
/// counts as CPU time of what ran there, and an ordinary poll passes for a hog.
pub const NEVER: Duration = Duration::from_secs(3600);

/// A runtime with one core, which no task loses for using the CPU.
///
/// # Panics
/// When it does not build.
pub fn one_core_without_hogs() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).cpu_intensive_threshold(NEVER).build().expect("a runtime")
}

/// A choice of flavor, detector and pinning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// All defaults.
    Auto,
    /// Pinned, `Detector::Perf`.
    Perf,
    /// Pinned, `Detector::Bpf`.
    Bpf,
    /// Pinned, `Detector::Idle`.
    Idle,
    /// Pinned, `Detector::Monitor`.
    Monitor,
    /// Never pinned, whatever detector remains.
    Unpinned,
    /// `new_current_thread`, driven by a thread that sits in `block_on`.
    CurrentThread,
}

impl Case {
    /// Every case.
    pub const ALL: [Case; 7] = [
        Case::Auto,
        Case::Perf,
        Case::Bpf,
        Case::Idle,
        Case::Monitor,
        Case::Unpinned,
        Case::CurrentThread,
    ];

    /// The name that [`every_case`](crate::every_case) gives the test of this case.
    pub fn name(self) -> &'static str {
        match self {
            Case::Auto => "auto",
            Case::Perf => "perf",
            Case::Bpf => "bpf",
            Case::Idle => "idle",
            Case::Monitor => "monitor",
            Case::Unpinned => "unpinned",
            Case::CurrentThread => "current_thread",
        }
    }

    /// The full name of this case's test in the module of [`every_case`](crate::every_case),
    /// whose `module_path!()` is to be given.
    pub fn test(self, module: &str) -> String {
        // Without the name of the crate, which libtest leaves out.
        let module = module.split_once("::").map_or("", |(_, rest)| rest);
        format!("{module}::{}", self.name())
    }

    /// A builder of this case with so many cores; one in [`Case::CurrentThread`].
    pub fn builder(self, cores: usize) -> Builder {
        if self == Case::CurrentThread {
            let mut builder = Builder::new_current_thread();
            builder.enable_all();
            return builder;
        }
        let mut builder = Builder::new_multi_thread();
        builder.enable_all().worker_threads(cores);
        match self {
            Case::Auto | Case::CurrentThread => {}
            Case::Perf => {
                builder.detector(Detector::Perf).pin(Pin::Always);
            }
            Case::Bpf => {
                builder.detector(Detector::Bpf).pin(Pin::Always);
            }
            Case::Idle => {
                builder.detector(Detector::Idle).pin(Pin::Always);
            }
            Case::Monitor => {
                builder.detector(Detector::Monitor).pin(Pin::Always);
            }
            Case::Unpinned => {
                builder.pin(Pin::Never);
            }
        }
        builder
    }

    /// A running runtime of this case with so many cores.
    ///
    /// # Panics
    /// When it cannot be built: what may be missing was asked by [`Case::missing`] before.
    pub fn start(self, cores: usize) -> Running {
        self.start_with(cores, |_| {})
    }

    /// As [`Case::start`], with further settings.
    pub fn start_with(self, cores: usize, set: impl FnOnce(&mut Builder)) -> Running {
        let mut builder = self.builder(cores);
        set(&mut builder);
        let runtime = builder.build().unwrap_or_else(|e| panic!("{self:?} does not build: {e}"));
        Running::new(runtime, self == Case::CurrentThread)
    }

    /// Why this case cannot run here, asked of the kernel and not of the runtime: a runtime that
    /// refuses what the kernel allows fails the test.
    pub fn missing(self) -> Option<String> {
        match self {
            Case::Perf => probe::perf_event_open().err().map(|e| format!("perf_event_open: {e}")),
            Case::Bpf => probe::bpf().err().map(|e| format!("bpf: {e}")),
            _ => None,
        }
    }
}

/// The CPUs this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Runs `body` as the test of `case` in `module`, or says aloud why not.
pub fn run(module: &str, case: Case, body: fn(Case)) {
    let name = case.test(module);
    match case.missing() {
        Some(why) => skip(&name, why),
        None => watchdog::run(&name, || body(case)),
    }
}
