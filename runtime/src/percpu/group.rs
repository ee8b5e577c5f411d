//! The threads of one registration.

use super::callbacks::Callbacks;
use super::thread::{Phase, Thread, Wanted};
use crate::sys::affinity::CpuSet;
use crate::sys::uring_poll::Kick;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub(super) struct Group {
    pub(super) name: String,
    pub(super) is_self_parking: bool,
    stack_size: Option<usize>,
    callbacks: Arc<Callbacks>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    /// By CPU. A thread is never taken out, and made by one thread at a time: by the one that registers
    /// until the group is ready, and then by the one that watches.
    threads: BTreeMap<usize, Member>,
    is_stopped: bool,
}

struct Member {
    thread: Arc<Thread>,
    /// `None` once somebody waits for its end.
    handle: Option<JoinHandle<()>>,
}

impl Group {
    pub(super) fn new(
        name: String,
        is_self_parking: bool,
        stack_size: Option<usize>,
        callbacks: Callbacks,
    ) -> Self {
        let callbacks = Arc::new(callbacks);
        Self { name, is_self_parking, stack_size, callbacks, members: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn thread(&self, cpu: usize) -> Option<Arc<Thread>> {
        self.lock().threads.get(&cpu).map(|member| member.thread.clone())
    }

    pub(super) fn threads(&self) -> Vec<Arc<Thread>> {
        self.lock().threads.values().map(|member| member.thread.clone()).collect()
    }

    /// Makes the thread of a CPU if there is none yet, parked; calls `create` then. `bell` is for a
    /// thread that finds itself elsewhere.
    pub(super) fn create(&self, cpu: usize, bell: &Arc<Kick>) -> io::Result<()> {
        let thread = Arc::new(Thread::new(cpu, self.is_self_parking));
        {
            let mut members = self.lock();
            if members.is_stopped || members.threads.contains_key(&cpu) {
                return Ok(());
            }
            let mut builder = std::thread::Builder::new().name(Thread::name(&self.name, cpu));
            if let Some(size) = self.stack_size {
                builder = builder.stack_size(size);
            }
            let (own, callbacks, bell) = (thread.clone(), self.callbacks.clone(), bell.clone());
            let handle = Some(builder.spawn(move || own.run(&callbacks, &bell))?);
            members.threads.insert(cpu, Member { thread: thread.clone(), handle });
        }
        thread.wait_for(Wanted::Parked, Phase::Parked);
        Callbacks::call(self.callbacks.create.as_ref(), cpu);
        Ok(())
    }

    /// Says to the threads of these CPUs that they are to be active, but waits for none.
    pub(super) fn begin(&self, usable: &CpuSet) {
        for thread in self.threads() {
            thread.set_online(usable.contains(thread.cpu));
            if !self.is_self_parking && usable.contains(thread.cpu) {
                thread.want(Wanted::Active);
            }
        }
    }

    /// The CPU is there: its thread is made, if it has none, and unparked, unless somebody else does
    /// that.
    pub(super) fn cpu_comes(&self, cpu: usize, bell: &Arc<Kick>) -> io::Result<()> {
        self.create(cpu, bell)?;
        let Some(thread) = self.thread(cpu) else { return Ok(()) };
        thread.set_online(true);
        if !self.is_self_parking {
            unpark(&thread);
        }
        Ok(())
    }

    /// The CPU is gone: its thread is parked, unless somebody else does that.
    pub(super) fn cpu_goes(&self, cpu: usize) {
        let Some(thread) = self.thread(cpu) else { return };
        thread.set_online(false);
        if !self.is_self_parking {
            park(&thread);
        }
    }

    /// Stops all threads and waits for their ends, but not for that of the calling one.
    pub(super) fn stop(&self) {
        let handles: Vec<_> = {
            let mut members = self.lock();
            members.is_stopped = true;
            let handle = |member: &mut Member| Some((member.thread.clone(), member.handle.take()?));
            members.threads.values_mut().filter_map(handle).collect()
        };
        for (thread, _) in &handles {
            thread.want(Wanted::Stopped);
        }
        for (thread, handle) in handles {
            if !thread.is_current() {
                // It contains the panics of callbacks; one of its own is no reason for another one.
                let _ = handle.join();
            }
        }
    }
}

pub(super) fn park(thread: &Thread) {
    thread.want(Wanted::Parked);
    thread.wait_for(Wanted::Parked, Phase::Parked);
}

pub(super) fn unpark(thread: &Thread) {
    thread.want(Wanted::Active);
    thread.wait_for(Wanted::Active, Phase::Active);
}
