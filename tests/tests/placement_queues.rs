//! On which NUMA nodes the items of workqueues run, and where the memory of their workers is.
//!
//! On a machine with two nodes, as `tests/guest/run` boots one; elsewhere these tests say so.

use cmwq::runtime::{Builder, Pin, Runtime};
use cmwq::workqueue::Scope;
use cmwq::{Work, Workqueue};
use cmwq_tests::nodes::{self, Node, place};
use cmwq_tests::{confine, finish, run};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

/// A core on every CPU.
fn pinned() -> Runtime {
    Builder::new_multi_thread().pin(Pin::Always).build().expect("a runtime")
}

fn queue(
    runtime: &Runtime,
    settings: impl FnOnce(cmwq::workqueue::Builder) -> cmwq::workqueue::Builder,
) -> Workqueue {
    settings(Workqueue::builder().unbound()).build_on(runtime.handle()).expect("a queue")
}

/// Runs `f` on a thread that may use this CPU only.
fn from_cpu<T: Send>(cpu: usize, f: impl FnOnce() -> T + Send) -> T {
    let body = || {
        confine::affinity(None, &[cpu]).expect("an allowed CPU");
        f()
    };
    thread::scope(|scope| scope.spawn(body).join().expect("no panic"))
}

/// The pool of the thread, from its name.
fn pool() -> String {
    let name = thread::current().name().unwrap_or_default().to_owned();
    name.split(':').next().unwrap_or_default().to_owned()
}

#[test]
fn a_task_runs_on_the_node_that_it_is_queued_from() {
    let name = "a_task_runs_on_the_node_that_it_is_queued_from";
    run(name, || {
        let Some(two) = nodes::two(name) else { return };
        let runtime = pinned();
        for scope in [Scope::Cpu, Scope::Cache, Scope::CacheShard, Scope::Numa] {
            let strict = queue(&runtime, |builder| builder.scope(scope).strict(true));
            let other = queue(&runtime, |builder| builder.scope(scope));
            let bound = Workqueue::builder().build_on(runtime.handle()).expect("a queue");
            for (node, cpu) in two.iter().flat_map(|node| node.cpus.iter().map(move |&c| (node, c)))
            {
                // From a thread of its own, and from a task.
                let from_thread = from_cpu(cpu, || strict.spawn(async { place() }));
                let inner = strict.clone();
                let from_task =
                    bound.spawn_on(cpu, async move { inner.spawn(async { place() }).await });
                let places = [finish(from_thread), finish(from_task).expect("no panic")];
                for (at, mask) in places.map(|place| place.expect("no panic")) {
                    assert!(node.cpus.contains(&at), "{scope:?}: from {cpu} to {at}");
                    assert!(mask.iter().all(|cpu| node.cpus.contains(cpu)), "{scope:?}: {mask:?}");
                }
                // One that is not strict may be moved later; it is in the pool of that node.
                let from = from_cpu(cpu, || other.spawn(async { pool() }));
                let on = other.spawn_on_node(node.id, async { pool() });
                let (from, on) = (finish(from).expect("no panic"), finish(on).expect("no panic"));
                if scope != Scope::Cpu {
                    assert_eq!(from, on, "{scope:?}: from {cpu}");
                }
            }
        }
    });
}

#[test]
fn a_node_is_kept_to_while_it_has_an_allowed_cpu() {
    let name = "a_node_is_kept_to_while_it_has_an_allowed_cpu";
    run(name, || {
        let Some([a, b]) = nodes::two(name) else { return };
        let runtime = pinned();
        let allowed = [vec![a.cpus[1]], b.cpus.clone()].concat();
        let some = queue(&runtime, |builder| builder.cpus(allowed).scope(Scope::Numa).strict(true));
        // The caller's own CPU is not allowed, another one of its node is.
        let (cpu, _) = finish(from_cpu(a.cpus[0], || some.spawn(async { place() }))).expect("ends");
        assert_eq!(cpu, a.cpus[1]);
        let none =
            queue(&runtime, |builder| builder.cpus(b.cpus.clone()).scope(Scope::Numa).strict(true));
        let (cpu, _) = finish(from_cpu(a.cpus[0], || none.spawn(async { place() }))).expect("ends");
        assert!(b.cpus.contains(&cpu), "{cpu}: the node has no CPU of the queue");
    });
}

/// The CPUs that an unbound queue may use do not have the caller's: each gets its turn.
#[test]
fn in_turn_where_the_own_cpu_is_not_allowed() {
    let name = "in_turn_where_the_own_cpu_is_not_allowed";
    run(name, || {
        let Some([a, b]) = nodes::two(name) else { return };
        let runtime = pinned();
        let others = [&a.cpus[1..], &b.cpus[..]].concat();
        let queue =
            queue(&runtime, |builder| builder.cpus(others.clone()).scope(Scope::Cpu).strict(true));
        let rounds = 5;
        let mut seen = Vec::new();
        for _ in 0..rounds * others.len() {
            seen.push(
                finish(from_cpu(a.cpus[0], || queue.spawn(async { place().0 }))).expect("ends"),
            );
        }
        for cpu in others {
            assert_eq!(seen.iter().filter(|&&at| at == cpu).count(), rounds, "{cpu}: {seen:?}");
        }
    });
}

#[test]
fn spawn_on_node_runs_there() {
    let name = "spawn_on_node_runs_there";
    run(name, || {
        let Some(two) = nodes::two(name) else { return };
        let runtime = pinned();
        for scope in [Scope::Cpu, Scope::CacheShard, Scope::Numa] {
            let queue = queue(&runtime, |builder| builder.scope(scope).strict(true));
            for Node { id, cpus } in &two {
                for _ in 0..20 {
                    let (cpu, _) =
                        finish(queue.spawn_on_node(*id, async { place() })).expect("it runs");
                    assert!(cpus.contains(&cpu), "{scope:?}: node {id}, CPU {cpu}");
                }
                // And so does a work item.
                let (tell, told) = mpsc::channel();
                let work = Work::new(move || tell.send(place().0).expect("it is waited for"));
                assert!(work.queue_on_node(*id, &queue));
                let cpu = told.recv().expect("it runs");
                assert!(cpus.contains(&cpu), "{scope:?}: node {id}, CPU {cpu}");
            }
            if nodes::in_guest() {
                // A node of memory only is served by any other.
                finish(queue.spawn_on_node(2, async {})).expect("it runs");
            }
            let nowhere = finish(queue.spawn_on_node(1000, async {}));
            assert!(nowhere.expect_err("there is no such node").is_rejected());
        }
    });
}

#[test]
fn each_node_has_a_pool() {
    let name = "each_node_has_a_pool";
    run(name, || {
        let Some(two) = nodes::two(name) else { return };
        let runtime = pinned();
        let count = nodes::with_cpus().len();
        let own = queue(&runtime, |builder| builder.scope(Scope::Numa).strict(true));
        assert_eq!(runtime.metrics().num_unbound_pools(), count);
        // As many at once as the node has CPUs, and they are not of the other's pool.
        for Node { id, cpus } in &two {
            let arrived = Arc::new(AtomicUsize::new(0));
            let count = cpus.len();
            let tasks: Vec<_> = (0..count)
                .map(|_| {
                    let arrived = arrived.clone();
                    own.spawn_on_node(*id, async move {
                        arrived.fetch_add(1, Ordering::SeqCst);
                        while arrived.load(Ordering::SeqCst) < count {
                            std::hint::spin_loop();
                        }
                        (pool(), place().1)
                    })
                })
                .collect();
            let places: Vec<_> =
                tasks.into_iter().map(|task| finish(task).expect("ends")).collect();
            assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
            assert_eq!(&places[0].1, cpus);
        }
        let again = queue(&runtime, |builder| builder.scope(Scope::Numa).strict(true));
        assert_eq!(runtime.metrics().num_unbound_pools(), count, "shared by equal attributes");
        drop((own, again));
    });
}

/// The node of the calling thread's stack.
#[inline(never)]
fn node_of_stack() -> usize {
    let here = [1_u8; 64];
    nodes::of_memory(&here)
}

#[test]
fn stacks_are_on_the_node_of_their_workers() {
    let name = "stacks_are_on_the_node_of_their_workers";
    run(name, || {
        const WORKERS: usize = 4;
        let Some(two) = nodes::two(name) else { return };
        let runtime = pinned();
        let handle = runtime.handle();
        let bound = Workqueue::builder().build_on(handle).expect("a queue");
        let high = Workqueue::builder().high_priority().build_on(handle).expect("a queue");
        let unbound = queue(&runtime, |builder| builder.scope(Scope::Numa).strict(true));
        for (Node { id, cpus }, queue) in
            two.iter().flat_map(|node| [(node, &bound), (node, &high), (node, &unbound)])
        {
            // Each blocks until all have come, so each is on another worker.
            let all_here = Arc::new(Barrier::new(WORKERS));
            let tasks: Vec<_> = (0..WORKERS)
                .map(|_| {
                    let all_here = all_here.clone();
                    queue.spawn_on(cpus[0], async move {
                        all_here.wait();
                        node_of_stack()
                    })
                })
                .collect();
            let nodes: Vec<_> = tasks.into_iter().map(|task| finish(task).expect("ends")).collect();
            assert_eq!(nodes, [*id; WORKERS], "{queue:?}");
        }
    });
}
