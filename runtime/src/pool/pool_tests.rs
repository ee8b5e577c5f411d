//! Extra pools in a whole runtime, with tasks that are pushed as a workqueue would.

use super::{PoolAttrs, QueueId, WorkerPool};
use crate::runtime::{Builder, Detector, Pin, Runtime, Shared};
use crate::sys;
use crate::sys::affinity::CpuSet;
use crate::task::{self, Birth, Id, JoinHandle, Notified, RawTask, Schedule};
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The scheduler of a task that always waits in the worklist of a pool.
struct OnPool<P> {
    shared: Arc<Shared>,
    pool: P,
}

impl<P: Deref<Target = WorkerPool> + Send + Sync + 'static> Schedule for OnPool<P> {
    const WAITS_IN_WORKLIST: bool = true;

    fn schedule(&self, task: Notified) {
        self.pool.push(&self.shared, task, QueueId(0));
    }

    fn requeue(&self, task: Notified) {
        self.schedule(task);
    }

    fn release(&self, task: RawTask) -> bool {
        let was_owned = self.shared.owned.release(task);
        self.shared.task_is_gone();
        was_owned
    }

    fn task_panicked(&self) {}
}

#[track_caller]
fn spawn<P, F>(shared: &Arc<Shared>, pool: P, future: F) -> JoinHandle<F::Output>
where
    P: Deref<Target = WorkerPool> + Send + Sync + 'static,
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let birth = Birth { id: Id::next(), location: Location::caller(), core: 0, shard: 0 };
    let scheduler = OnPool { shared: shared.clone(), pool };
    let (handle, refused) = task::new_with(future, scheduler, birth, |task, scheduler| {
        if !shared.owned.insert(&task) {
            return Some(task);
        }
        scheduler.schedule(task);
        None
    });
    if let Some(task) = refused {
        task::discard(task);
    }
    handle
}

fn shared(runtime: &Runtime) -> &Arc<Shared> {
    &runtime.handle().shared
}

fn attrs() -> PoolAttrs {
    PoolAttrs::strict(crate::topology::allowed_cpus(), 0)
}

fn on_first_cpu() -> PoolAttrs {
    let first = crate::topology::allowed_cpus().iter().next().unwrap();
    PoolAttrs::strict(CpuSet::single(first), 0)
}

fn runtimes() -> Vec<Runtime> {
    let pinned = || {
        let mut builder = Builder::new_multi_thread();
        builder.pin(Pin::Always).worker_threads(2);
        builder
    };
    vec![
        pinned().detector(Detector::Monitor).build().unwrap(),
        Builder::new_multi_thread()
            .pin(Pin::Never)
            .detector(Detector::Monitor)
            .worker_threads(2)
            .build()
            .unwrap(),
        Builder::new_current_thread().build().unwrap(),
        pinned().build().unwrap(),
    ]
}

/// Waits for something that other threads do.
pub(super) fn eventually(what: &str, condition: impl Fn() -> bool) {
    // Long enough for the emulated machine of tests/guest/run.
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Runs a handle to its end from a thread of no runtime.
fn join<T>(handle: JoinHandle<T>) -> T {
    block_on(handle).unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

#[test]
fn a_high_priority_pool_has_threads_of_its_own_on_the_same_cpu() {
    for runtime in runtimes() {
        let shared = shared(&runtime);
        let pool = shared.bound_pool(0, true).unwrap();
        assert!(Arc::ptr_eq(&pool, &shared.bound_pool(0, true).unwrap()), "made once");
        let (name, cpus, nice) = join(spawn(shared, pool, async {
            (thread_name(), sys::affinity::current().unwrap(), sys::thread::nice())
        }));
        assert!(name.starts_with("cmwq/") && name.ends_with('H'), "{name}");
        match shared.cores[0].cpu {
            Some(cpu) => assert_eq!(cpus, CpuSet::single(cpu)),
            None => assert_eq!(cpus, crate::topology::allowed_cpus()),
        }
        assert_eq!(runtime.metrics().high_priority_nice(), nice);
        let permitted = std::thread::spawn(|| sys::thread::set_nice(0, -20).is_ok());
        assert_eq!(permitted.join().unwrap(), nice == -20, "nice {nice}");
    }
}

#[test]
fn an_unbound_pool_is_shared_by_equal_attributes() {
    for runtime in runtimes() {
        let shared = shared(&runtime);
        let (first, second) =
            (shared.unbound_pool(&attrs()).unwrap(), shared.unbound_pool(&attrs()).unwrap());
        let other = shared.unbound_pool(&PoolAttrs { nice: 5, ..attrs() }).unwrap();
        assert!(std::ptr::eq(&*first, &*second) && !std::ptr::eq(&*first, &*other));
        assert_eq!(first.cores.len(), attrs().cpus.len());
        assert_eq!(runtime.metrics().num_unbound_pools(), 2);
        let shape =
            || async { (thread_name(), sys::affinity::current().unwrap(), sys::thread::nice()) };
        let (name, cpus, nice) = join(spawn(shared, first, shape()));
        assert!(name.starts_with("cmwq/u0:"), "{name}");
        assert_eq!((cpus, nice), (attrs().cpus, sys::thread::nice()));
        let (name, _, nice) = join(spawn(shared, other, shape()));
        assert!(name.starts_with("cmwq/u1:"), "{name}");
        assert_eq!(nice, (sys::thread::nice() + 5).min(19));
    }
}

/// Blocks in the kernel until as many tasks as `of` have come here.
fn meet(barrier: &std::sync::Barrier) {
    barrier.wait();
}

#[test]
fn blocked_tasks_are_taken_over_on_extra_pools() {
    const TASKS: usize = 20;
    for runtime in runtimes() {
        let shared = shared(&runtime);
        let high = shared.bound_pool(0, true).unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(TASKS));
        let task = |barrier: Arc<std::sync::Barrier>| async move { meet(&barrier) };
        let handles: Vec<_> =
            (0..TASKS).map(|_| spawn(shared, high.clone(), task(barrier.clone()))).collect();
        handles.into_iter().for_each(join);
        let before = runtime.metrics().takeovers_count();
        assert!(before >= TASKS as u64 - 2, "{before}");

        let unbound = shared.unbound_pool(&attrs()).unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(100));
        let handles: Vec<_> =
            (0..100).map(|_| spawn(shared, unbound.clone(), task(barrier.clone()))).collect();
        handles.into_iter().for_each(join);
        let cores = attrs().cpus.len() as u64;
        assert!(runtime.metrics().takeovers_count() >= before + 100 - 2 * cores);
    }
}

#[test]
fn timers_of_extra_cores_fire_and_default_tasks_stay_on_default_cores() {
    let runtime = &runtimes()[0];
    let shared = shared(runtime);
    let pool = shared.unbound_pool(&attrs()).unwrap();
    let name = join(spawn(shared, pool, async {
        crate::time::sleep(Duration::from_millis(2)).await;
        let inner = crate::spawn(async {
            crate::task::yield_now().await;
            thread_name()
        });
        let name = inner.await.unwrap();
        crate::time::sleep(Duration::from_millis(2)).await;
        name
    }));
    assert!(!name.contains('u') && !name.ends_with('H'), "{name}");
}

#[test]
fn an_unused_pool_is_released_and_its_place_used_again() {
    for runtime in runtimes() {
        let shared = shared(&runtime);
        let threads = |pool: &WorkerPool| {
            pool.cores.iter().map(|&core| shared.core(core).crew.threads()).sum::<usize>()
        };
        let pool = shared.unbound_pool(&on_first_cpu()).unwrap();
        let weak = shared.unbound_places()[0].clone();
        join(spawn(shared, pool, async {}));
        eventually("its threads end", || threads(&weak) == 0);
        assert_eq!(runtime.metrics().num_unbound_pools(), 0);
        let cores = shared.core_count();

        let again = shared.unbound_pool(&PoolAttrs { nice: 3, ..on_first_cpu() }).unwrap();
        assert!(std::ptr::eq(&*again, &*weak), "the place is used again");
        assert_eq!(shared.core_count(), cores);
        assert_eq!(
            join(spawn(shared, again, async { sys::thread::nice() })),
            (sys::thread::nice() + 3).min(19)
        );
    }
}

#[test]
fn a_released_pool_serves_what_is_left_on_it() {
    let runtime = &runtimes()[0];
    let shared = shared(runtime);
    let pool = shared.unbound_pool(&on_first_cpu()).unwrap();
    let place = shared.unbound_places()[0].clone();
    // The timer is armed in the wheel of the pool, and the task that waits is another's. It does not
    // end by itself, however late this thread looks.
    let (sleep,) = join(spawn(shared, pool, async {
        let mut sleep = Box::pin(crate::time::sleep(Duration::from_secs(3600)));
        // The task's own waker would keep the task, and with it the pool.
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        // Not awaited: it goes out as it is.
        (sleep,)
    }));
    let threads = || shared.core(place.cores[0]).crew.threads();
    std::thread::sleep(Duration::from_millis(300));
    assert!(place.is_released() && threads() > 0, "a timer is armed");
    drop(sleep);
    eventually("its threads end", || threads() == 0);
}

#[test]
fn pools_come_and_go_while_they_are_used() {
    for runtime in runtimes() {
        let shared = shared(&runtime);
        let done = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let done = done.clone();
                scope.spawn(move || {
                    for round in 0..50 {
                        let nice = (thread + round) % 3;
                        let pool = shared.unbound_pool(&PoolAttrs { nice, ..attrs() }).unwrap();
                        let done = done.clone();
                        let task = spawn(shared, pool.clone(), async move {
                            crate::task::yield_now().await;
                            done.fetch_add(1, Ordering::Relaxed);
                        });
                        drop(pool);
                        join(task);
                    }
                });
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 200);
    }
}

/// As many workers as there may be are at work or about to end whenever the pool is used again.
#[test]
fn a_pool_is_used_again_at_a_small_cap() {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder
        .worker_threads(1)
        .max_workers_per_core(2)
        .detector(Detector::Monitor)
        .build()
        .unwrap();
    let shared = shared(&runtime);
    for round in 0..1_000_u64 {
        let nice = (round % 2) as i32;
        let pool = shared.unbound_pool(&PoolAttrs { nice, ..on_first_cpu() }).unwrap();
        let own = (sys::thread::nice() + nice).min(19);
        assert_eq!(join(spawn(shared, pool, async { sys::thread::nice() })), own);
        std::thread::sleep(Duration::from_micros(round % 200));
    }
}

#[test]
fn shutdown_at_any_moment() {
    for round in 0..40 {
        let runtime = Builder::new_multi_thread()
            .pin(Pin::Never)
            .detector(Detector::Monitor)
            .worker_threads(1)
            .build()
            .unwrap();
        let shared = shared(&runtime).clone();
        let other = std::thread::spawn({
            let shared = shared.clone();
            move || {
                for nice in 0.. {
                    let Ok(pool) = shared.unbound_pool(&PoolAttrs { nice: nice % 19, ..attrs() })
                    else {
                        return;
                    };
                    spawn(&shared, pool, async { std::thread::sleep(Duration::from_micros(100)) });
                    let Ok(high) = shared.bound_pool(0, true) else { return };
                    spawn(&shared, high, async {
                        crate::time::sleep(Duration::from_secs(3600)).await;
                    });
                }
            }
        });
        std::thread::sleep(Duration::from_micros(300 * round));
        drop(runtime);
        other.join().unwrap();
        assert!(shared.bound_pool(0, true).is_ok() || shared.unbound_pool(&attrs()).is_err());
    }
}

#[test]
fn a_hog_does_not_keep_an_unbound_pool() {
    let runtime = &runtimes()[0];
    let shared = shared(runtime);
    let pool = shared.unbound_pool(&on_first_cpu()).unwrap();
    let stop = Arc::new(AtomicUsize::new(0));
    let hog = spawn(shared, pool.clone(), {
        let stop = stop.clone();
        async move { while stop.load(Ordering::Relaxed) == 0 {} }
    });
    join(spawn(shared, pool, async move { stop.store(1, Ordering::Relaxed) }));
    join(hog);
    assert!(runtime.metrics().cpu_intensive_count() >= 1);
}

#[test]
fn a_high_priority_task_preempts_a_hog() {
    let runtime = &runtimes()[0];
    let shared = shared(runtime);
    let high = shared.bound_pool(0, true).unwrap();
    let stop = Arc::new(AtomicUsize::new(0));
    let hogs: Vec<_> = (0..2)
        .map(|_| {
            let stop = stop.clone();
            spawn(shared, shared.bound_pool(0, false).unwrap(), async move {
                while stop.load(Ordering::Relaxed) == 0 {}
            })
        })
        .collect();
    // It ends the hogs: without a thread of its own it would come after them.
    join(spawn(shared, high, async move { stop.store(1, Ordering::Relaxed) }));
    hogs.into_iter().for_each(join);
}

#[test]
fn two_runtimes_have_pools_of_their_own() {
    let runtimes = [&runtimes()[0], &runtimes()[1]].map(|runtime| runtime.handle().shared.clone());
    drop(runtimes);
    let (first, second) = (
        Builder::new_multi_thread().worker_threads(1).build().unwrap(),
        Builder::new_multi_thread().worker_threads(1).build().unwrap(),
    );
    let (a, b) = (
        shared(&first).unbound_pool(&attrs()).unwrap(),
        shared(&second).unbound_pool(&attrs()).unwrap(),
    );
    assert!(!std::ptr::eq(&*a, &*b));
    let inner = shared(&second).clone();
    // A task of one wakes one of the other, from within.
    let sum =
        join(spawn(
            shared(&first),
            a,
            async move { 1 + spawn(&inner, b, async { 2 }).await.unwrap() },
        ));
    assert_eq!(sum, 3);
}
