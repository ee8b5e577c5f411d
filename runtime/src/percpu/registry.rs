//! All registrations of the process, and the thread that lets them follow the CPUs.
//!
//! The thread exists while there is a registration. It is made by the first, with the affinity of the
//! thread that registers, before a runtime pinned it: what that affinity has and what is online are the
//! CPUs of all of them.
//!
//! No callback is called and nobody is waited for under the lock. So a callback may register and
//! unregister; and who unregisters does not wait for the one that watches, which may be waiting for a
//! thread of the same registration: that thread is stopped, and both go on.

use super::error::Error;
use super::group::Group;
use super::watch::CpuWatch;
use crate::sys;
use crate::sys::affinity::CpuSet;
use crate::sys::uring_poll::Kick;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry::new());

/// Between two looks while a thread waits for its CPU, since nobody tells of a cpuset or an affinity
/// that has it again.
const LOOK: Duration = Duration::from_secs(1);

struct Registry {
    /// The process that the rest is about; a forked child has none of the threads.
    pid: u32,
    /// In order of registration.
    entries: Vec<Entry>,
    watcher: Option<Arc<Watcher>>,
    /// The CPUs that there are.
    usable: CpuSet,
}

struct Entry {
    group: Arc<Group>,
    /// Its first threads have been made.
    is_ready: bool,
}

/// The thread that watches.
pub(super) struct Watcher {
    bell: Arc<Kick>,
    pub(super) refusal: Option<String>,
    must_end: AtomicBool,
}

impl Registry {
    const fn new() -> Self {
        Self { pid: 0, entries: Vec::new(), watcher: None, usable: CpuSet::new() }
    }

    /// Of this process.
    fn lock() -> MutexGuard<'static, Self> {
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = sys::process::id();
        if registry.pid != pid {
            // Of threads that do not exist here; to drop it would wait for them.
            mem::forget(mem::replace(&mut *registry, Self::new()));
            registry.pid = pid;
        }
        registry
    }

    /// The thread that watches, made if there is none.
    fn watcher(&mut self) -> io::Result<Arc<Watcher>> {
        if let Some(watcher) = &self.watcher {
            return Ok(watcher.clone());
        }
        let watch = CpuWatch::new()?;
        let watcher = Arc::new(Watcher {
            bell: watch.bell(),
            refusal: watch.refusal(),
            must_end: AtomicBool::new(false),
        });
        self.usable = watch.usable().clone();
        let own = watcher.clone();
        let builder = std::thread::Builder::new().name("cmwq/percpu".into());
        builder.spawn(move || own.run(watch))?;
        self.watcher = Some(watcher.clone());
        Ok(watcher)
    }
}

/// Makes the threads and sets them going. The calling thread is not pinned.
pub(super) fn register(group: Group) -> Result<(Arc<Group>, Arc<Watcher>), Error> {
    let group = Arc::new(group);
    let (watcher, usable) = {
        let mut registry = Registry::lock();
        let watcher = registry.watcher();
        let watcher = watcher
            .map_err(|error| Error::os(&group.name, "a thread that watches the CPUs", error))?;
        registry.entries.push(Entry { group: group.clone(), is_ready: false });
        (watcher, registry.usable.clone())
    };
    for cpu in usable.iter() {
        if let Err(error) = group.create(cpu, &watcher.bell) {
            unregister(&group);
            let what = format_args!("a thread on CPU {cpu}");
            return Err(Error::os(&group.name, what, error));
        }
    }
    {
        let mut registry = Registry::lock();
        let entry = registry.entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.group, &group));
        if let Some(entry) = entry {
            entry.is_ready = true;
        }
        group.begin(&registry.usable);
        if registry.usable != usable {
            // It left the group alone: it does the rest now.
            watcher.bell.kick();
        }
    }
    group.threads().iter().for_each(|thread| thread.wait_until_begun());
    Ok((group, watcher))
}

/// Stops the threads and waits for them.
pub(super) fn unregister(group: &Arc<Group>) {
    {
        let mut registry = Registry::lock();
        let before = registry.entries.len();
        registry.entries.retain(|entry| !Arc::ptr_eq(&entry.group, group));
        if registry.entries.len() == before {
            // This process was forked from the one that has the threads.
            return;
        }
        let is_last = registry.entries.is_empty();
        if let Some(watcher) = registry.watcher.take_if(|_| is_last) {
            watcher.must_end.store(true, Ordering::SeqCst);
            watcher.bell.kick();
        }
    }
    group.stop();
}

impl Watcher {
    fn run(self: Arc<Self>, mut watch: CpuWatch) {
        let mut is_incomplete = false;
        loop {
            watch.wait(is_incomplete.then_some(LOOK));
            if self.must_end.load(Ordering::SeqCst) {
                return;
            }
            is_incomplete = self.follow(watch.usable());
        }
    }

    /// Sees to it that the threads whose CPUs are there are active, and no others. Returns whether one
    /// waits for its CPU, or could not be made.
    fn follow(&self, usable: &CpuSet) -> bool {
        let groups: Vec<Arc<Group>> = {
            let mut registry = Registry::lock();
            let is_current =
                registry.watcher.as_ref().is_some_and(|w| std::ptr::eq(Arc::as_ptr(w), self));
            if !is_current {
                return false;
            }
            registry.usable = usable.clone();
            let ready = registry.entries.iter().filter(|entry| entry.is_ready);
            ready.map(|entry| entry.group.clone()).collect()
        };
        let cpus = |group: &Arc<Group>| group.threads().into_iter().map(|thread| thread.cpu);
        let gone: CpuSet =
            groups.iter().flat_map(cpus).filter(|&cpu| !usable.contains(cpu)).collect();
        for cpu in gone.iter() {
            groups.iter().rev().for_each(|group| group.cpu_goes(cpu));
        }
        let mut is_incomplete = !gone.is_empty();
        for cpu in usable.iter() {
            for group in &groups {
                is_incomplete |= group.cpu_comes(cpu, &self.bell).is_err();
            }
        }
        for group in &groups {
            group.threads().iter().for_each(|thread| thread.bring_back());
        }
        is_incomplete
    }
}
