//! Which detector a runtime gets.

use crate::sys;
use crate::sys::bpf::Hook;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How the runtime notices that a task has blocked.
///
/// # Examples
///
/// ```
/// use cmwq::runtime::{Builder, Detector};
///
/// let runtime = Builder::new_multi_thread().detector(Detector::Monitor).build()?;
/// assert_eq!(runtime.handle().metrics().detector(), "monitor");
/// # Ok::<(), cmwq::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Detector {
    /// One that costs nothing while nothing blocks: idle where the workers are pinned, otherwise
    /// monitor; perf only where the process cannot read its own `/proc`. What was refused, and why,
    /// is in the [metrics](crate::runtime::RuntimeMetrics::detector_refusals).
    #[default]
    Auto,
    /// Context-switch records of perf events. Needs `perf_event_open`, which many container
    /// profiles and Debian's and Ubuntu's `perf_event_paranoid` levels 3 and 4 refuse. For cores that
    /// the workers have to themselves: each time that another thread takes one of them in the middle of
    /// a poll is told too, and on a virtual machine that is dear (half of an echo server's requests per
    /// second, where its clients used the same cores).
    Perf,
    /// A program in the kernel, at the scheduler's tracepoint. Needs CAP_BPF and CAP_PERFMON, and
    /// Linux 5.18 with BTF. Never chosen by `Auto`: the program runs at every context switch of the
    /// machine, other processes' included, which makes one 1 to 3% longer. One program serves all
    /// runtimes of the process; it is removed with the last of them.
    Bpf,
    /// A thread of policy `SCHED_IDLE` on each core. Needs pinned workers, no privilege.
    Idle,
    /// One thread that looks every period. Needs nothing; slower by the period.
    Monitor,
    /// None: a task that blocks stalls its core. Another one that comes by idle serves its sockets and
    /// timers, and takes its next task. For measuring what detection costs.
    Off,
}

impl Detector {
    /// Its name, as `CMWQ_DETECTOR` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Detector::Auto => "auto",
            Detector::Perf => "perf",
            Detector::Bpf => "bpf",
            Detector::Idle => "idle",
            Detector::Monitor => "monitor",
            Detector::Off => "off",
        }
    }

    const ALL: [Detector; 6] = [
        Detector::Auto,
        Detector::Perf,
        Detector::Bpf,
        Detector::Idle,
        Detector::Monitor,
        Detector::Off,
    ];
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a detector was not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDetectorError(String);

impl fmt::Display for ParseDetectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Detector::ALL.map(Detector::name).join(", ");
        write!(f, "there is no detector {:?}; the detectors are {names}", self.0)
    }
}

impl std::error::Error for ParseDetectorError {}

impl FromStr for Detector {
    type Err = ParseDetectorError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Detector::ALL
            .into_iter()
            .find(|detector| detector.name() == name)
            .ok_or_else(|| ParseDetectorError(name.to_owned()))
    }
}

/// Why a detector cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) detector: Detector,
    pub(crate) reason: String,
}

/// The outcome.
pub(crate) struct Selection {
    pub(crate) detector: Detector,
    /// With the bpf detector: the program, which cores take their bells from.
    pub(crate) hook: Option<Arc<Hook>>,
    pub(crate) refusals: Vec<Refusal>,
}

/// What `Auto` tries, best first. The last resort is [`Detector::Monitor`] in any case.
const PREFERENCE: [Detector; 3] = [Detector::Idle, Detector::Monitor, Detector::Perf];

/// Chooses. A detector that was asked for by name and is refused is an error.
pub(crate) fn select(wanted: Detector, pinned: bool) -> Result<Selection, Refusal> {
    if wanted == Detector::Bpf {
        let hook = Hook::shared()
            .map_err(|error| Refusal { detector: wanted, reason: error.to_string() })?;
        return Ok(Selection { detector: wanted, hook: Some(hook), refusals: Vec::new() });
    }
    if wanted != Detector::Auto {
        return match obstacle(wanted, pinned) {
            None => Ok(Selection { detector: wanted, hook: None, refusals: Vec::new() }),
            Some(reason) => Err(Refusal { detector: wanted, reason }),
        };
    }
    let mut refusals = Vec::new();
    for detector in PREFERENCE {
        let obstacle = match detector {
            // It is used all the same if it has to be: it knows hogs from others without.
            Detector::Monitor => proc_obstacle(),
            _ => obstacle(detector, pinned),
        };
        match obstacle {
            None => return Ok(Selection { detector, hook: None, refusals }),
            Some(reason) => refusals.push(Refusal { detector, reason }),
        }
    }
    Ok(Selection { detector: Detector::Monitor, hook: None, refusals })
}

fn obstacle(detector: Detector, pinned: bool) -> Option<String> {
    match detector {
        Detector::Idle if !pinned => Some(
            "its thread shares a CPU with the workers, which are not pinned; see Builder::pin"
                .to_owned(),
        ),
        Detector::Idle => idle_obstacle(),
        Detector::Perf => {
            sys::perf::SwitchRing::open(sys::thread::gettid()).err().map(|error| error.to_string())
        }
        // Asking for bpf is trying it.
        Detector::Auto | Detector::Bpf | Detector::Monitor | Detector::Off => None,
    }
}

/// Can a thread be looked at?
fn proc_obstacle() -> Option<String> {
    sys::proc::SyscallFile::open(sys::thread::gettid())
        .and_then(|file| file.look())
        .err()
        .map(|error| format!("/proc/self/task/TID/syscall cannot be read: {error}"))
}

/// Tries on a thread of its own, since leaving `SCHED_IDLE` needs a privilege.
fn idle_obstacle() -> Option<String> {
    let trial = std::thread::Builder::new().name("cmwq/trial".into()).spawn(|| {
        sys::thread::set_policy_idle()
            .map_err(|error| format!("SCHED_IDLE is refused: {error}"))?;
        proc_obstacle().map_or(Ok(()), Err)
    });
    match trial.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(reason))) => Some(reason),
        Ok(Err(_)) => Some("the trial thread panicked".to_owned()),
        Err(error) => Some(format!("no thread could be made to try it: {error}")),
    }
}
