//! Making the thread of a worker.

use super::builder::{Place, Settings};
use super::error::WorkerError;
use super::shared::{Seat, Shared};
use crate::contain::contain;
use crate::runtime::Original;
use crate::sys::affinity::{self, CpuSet};
use crate::sys::thread as os;
use crate::topology::Topology;
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

thread_local! {
    /// On a thread that we made: what it would have inherited.
    static ORIGINAL: RefCell<Option<Original>> = const { RefCell::new(None) };
}

/// The CPUs, nice value and slack that the process had, if this thread may have others: in a runtime,
/// and on the thread of a dedicated worker.
pub(crate) fn original() -> Option<Original> {
    let of_runtime = crate::context::with_current(|shared| Some(shared?.original.clone()));
    of_runtime.or_else(|| ORIGINAL.try_with(|original| original.borrow().clone()).ok().flatten())
}

/// Is it the thread of a dedicated worker?
pub(crate) fn is_own_thread() -> bool {
    ORIGINAL.try_with(|original| original.borrow().is_some()).unwrap_or(false)
}

/// What the thread of a [`DedicatedWorker`](super::DedicatedWorker) got.
#[derive(Clone, Debug)]
pub struct Granted {
    cpus: Vec<usize>,
    nice: i32,
    realtime: Option<u8>,
    refused: Option<String>,
}

impl Granted {
    /// The CPUs that it may run on, when it began; empty where the kernel refused to say.
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// Its nice value, without a meaning at real-time priority.
    pub fn nice(&self) -> i32 {
        self.nice
    }

    /// Its real-time priority; `None` of a normal thread.
    pub fn realtime(&self) -> Option<u8> {
        self.realtime
    }

    /// Which priority was asked for and refused, why, and what helps.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

/// Makes a thread that serves, and waits until it has begun.
pub(super) fn start(shared: &Arc<Shared>) -> Result<(), WorkerError> {
    let settings = &shared.settings;
    let original = original().unwrap_or_else(Original::capture);
    let cpus = cpus(settings, &original)?;
    // Left again by the error paths.
    let seat = shared.take_seat()?;
    let (tell, told) = mpsc::sync_channel(1);
    let body = move || {
        let ready = settle_down(&seat.shared.settings, &original, cpus.as_ref());
        let _ = ORIGINAL.try_with(|own| own.replace(Some(original)));
        let fails = ready.is_err();
        if let Ok(granted) = &ready {
            seat.shared.set_granted(Some(granted.clone()));
        }
        // Whoever is told that it failed may want the seat.
        let seat = (!fails).then_some(seat);
        // The maker waits for it.
        let _ = tell.send(ready.map(|granted| granted.refused));
        seat.into_iter().for_each(Seat::serve);
    };
    let mut builder = std::thread::Builder::new().name(settings.name.to_string());
    if let Some(size) = settings.stack_size {
        builder = builder.stack_size(size);
    }
    let failed = |what: &str, error| WorkerError::os(&settings.name, what, error);
    builder.spawn(body).map_err(|error| failed("make its thread", error))?;
    let ended = || io::Error::other("it ended before it began");
    let refused = told.recv().map_err(|_| failed("start its thread", ended()))?;
    let refused = refused.map_err(|error| {
        // Nothing else fails before it begins.
        let place = settings.place.as_ref().map_or_else(String::new, Place::to_string);
        let what =
            format!("give its thread {place}: a CPU of them has to be online and in the cpuset");
        failed(&what, error)
    })?;
    if let Some(reason) = refused {
        contain(|| tracing::warn!(target: "cmwq", worker = &*settings.name, "{reason}"));
    }
    Ok(())
}

/// The CPUs that were asked for.
fn cpus(settings: &Settings, original: &Original) -> Result<Option<CpuSet>, WorkerError> {
    Ok(match &settings.place {
        None => None,
        Some(Place::Cpu(cpu)) => Some(CpuSet::single(*cpu)),
        Some(Place::Cpus(cpus)) => Some(cpus.iter().copied().collect()),
        Some(Place::Node(node)) => {
            let mut cpus = Topology::read(Path::new("/")).node_cpus(*node);
            if let Some(allowed) = &original.cpus {
                cpus = cpus.intersection(allowed);
            }
            if cpus.is_empty() {
                return Err(WorkerError::config(format!(
                    "node({node}): there is no such NUMA node, or it has no CPU that the process may \
                     use; choose one that `lscpu` shows with CPUs"
                )));
            }
            Some(cpus)
        }
    })
}

/// Gives the calling thread what it is to have.
fn settle_down(
    settings: &Settings,
    original: &Original,
    cpus: Option<&CpuSet>,
) -> io::Result<Granted> {
    original.apply();
    cpus.map_or(Ok(()), |cpus| affinity::set(0, cpus))?;
    let mut refused = None;
    let wanted = (original.nice + settings.nice).clamp(-20, 19);
    let nice = crate::pool::apply_nice(wanted);
    if nice > wanted {
        refused = Some(format!(
            "the nice value {wanted} was refused, {nice} is the lowest that the process may have; \
             raise RLIMIT_NICE or grant CAP_SYS_NICE"
        ));
    }
    let mut realtime = settings.realtime;
    if let Some(error) = realtime.and_then(|priority| os::set_policy_fifo(priority).err()) {
        refused = realtime.take().map(|priority| {
            format!(
                "the real-time priority {priority} was refused ({error}), so the thread is a normal \
                 one with the nice value {nice}; raise RLIMIT_RTPRIO or grant CAP_SYS_NICE"
            )
        });
    }
    let cpus = affinity::current().unwrap_or_default().iter().collect();
    Ok(Granted { cpus, nice, realtime, refused })
}
