//! What must hold when a core changes its holder: design invariant 4 and its relatives.

use cmwq::runtime::Handle;
use cmwq_tests::foreign::OnDrop;
use cmwq_tests::{Beside, Block, every_case, finish, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Far beyond what any of these steps takes.
const PATIENCE: Duration = Duration::from_secs(20);

every_case! {
    /// Each of `max_workers_per_core - 1` tasks blocks its thread on the next; the last one is
    /// spawned when all others are blocked.
    fn chain_of_blocked_tasks(case) {
        const CAP: usize = 16;
        let runtime = case.start_with(1, |builder| { builder.max_workers_per_core(CAP); });
        let blocked = Arc::new(AtomicUsize::new(0));
        let (first, done) = mpsc::channel::<usize>();
        let mut previous = first;
        for _ in 0..CAP - 2 {
            let (tx, rx) = mpsc::channel();
            let reply = std::mem::replace(&mut previous, tx);
            let blocked = blocked.clone();
            runtime.spawn(async move {
                blocked.fetch_add(1, Ordering::SeqCst);
                let length = rx.recv_timeout(PATIENCE).expect("the next task makes progress");
                reply.send(length + 1).expect("the previous task waits");
            });
        }
        until("all tasks of the chain are started", || blocked.load(Ordering::SeqCst) == CAP - 2);
        runtime.spawn(async move { previous.send(1).expect("the previous task waits") });
        assert_eq!(done.recv_timeout(PATIENCE), Ok(CAP - 1));
    }

    /// A task wakes another, which lands in the next slot of its own worker, and at once blocks
    /// on the answer.
    fn wake_then_block(case) {
        let runtime = case.start(1);
        let (ask, mut asked) = cmwq::sync::mpsc::unbounded_channel();
        let (answer, answered) = mpsc::channel();
        runtime.spawn(async move {
            while let Some(n) = asked.recv().await {
                answer.send(n).expect("the other task waits");
            }
        });
        let task = runtime.spawn(async move {
            for n in 0..100_u32 {
                ask.send(n).expect("the other task lives");
                assert_eq!(answered.recv_timeout(PATIENCE), Ok(n));
                cmwq::task::yield_now().await;
            }
        });
        finish(task).expect("every answer comes");
    }

    /// The same with the blocker no longer the holder when it wakes.
    fn wake_after_the_core_was_lost(case) {
        let runtime = case.start(1);
        let beside = Beside::start(&runtime);
        let (ask, asked) = cmwq::sync::oneshot::channel::<()>();
        let (answer, answered) = mpsc::channel();
        runtime.spawn(async move {
            asked.await.expect("the other task sends");
            answer.send(()).expect("the other task waits");
        });
        let Block { enter, release } = Block::pipe();
        let task = runtime.spawn(async move {
            enter();
            ask.send(()).expect("the other task waits");
            answered.recv_timeout(PATIENCE).expect("the woken task runs");
        });
        beside.progress().and_then(|()| beside.progress()).expect("the core was taken over");
        release();
        finish(task).expect("the answer comes");
    }

    /// The same with tasks that are spawned, several of them and each blocking again.
    fn spawn_after_the_core_was_lost(case) {
        let runtime = case.start(1);
        let beside = Beside::start(&runtime);
        let Block { enter, release } = Block::pipe();
        let task = runtime.spawn(async move {
            enter();
            for round in 0..10 {
                let (answer, answered) = mpsc::channel();
                for n in 0..5 {
                    let answer = answer.clone();
                    cmwq::spawn(async move { answer.send(n).expect("the spawner waits") });
                }
                let mut seen: Vec<i32> = (0..5)
                    .map(|_| answered.recv_timeout(PATIENCE).expect("the spawned task runs"))
                    .collect();
                seen.sort_unstable();
                assert_eq!(seen, [0, 1, 2, 3, 4], "round {round}");
            }
        });
        beside.progress().and_then(|()| beside.progress()).expect("the core was taken over");
        release();
        finish(task).expect("all answers come");
    }

    /// Nothing is queued and nobody waits in the driver when the holder blocks; then a task
    /// comes from outside.
    fn spawn_onto_a_blocked_core(case) {
        let runtime = case.start(1);
        for _ in 0..20 {
            let Block { enter, release } = Block::pipe();
            let (entered_tx, entered) = mpsc::channel();
            let blocked = runtime.spawn(async move {
                entered_tx.send(()).expect("the test waits");
                enter();
            });
            entered.recv_timeout(PATIENCE).expect("the blocking task starts");
            thread::sleep(Duration::from_millis(2));
            let (ran_tx, ran) = mpsc::channel();
            runtime.spawn(async move {
                cmwq::time::sleep(Duration::from_millis(1)).await;
                ran_tx.send(()).expect("the test waits");
            });
            let result = ran.recv_timeout(PATIENCE);
            assert!(!blocked.is_finished());
            release();
            result.expect("a task on a core whose holder is blocked runs");
            finish(blocked).expect("the blocking task ends");
        }
    }

    /// Runtime::block_on within a task: tokio panics, here the core is handed over.
    fn nested_block_on(case) {
        let runtime = case.start(1);
        let (tx, rx) = cmwq::sync::oneshot::channel();
        let outer = runtime.spawn(async move {
            let inside = Handle::current().block_on(async {
                cmwq::time::sleep(Duration::from_millis(1)).await;
                rx.await.expect("the sibling sends")
            });
            // Context and budget are those of the task again.
            cmwq::time::sleep(Duration::from_millis(1)).await;
            cmwq::spawn(async move { inside + 1 }).await.expect("spawned after block_on")
        });
        runtime.spawn(async move {
            cmwq::task::yield_now().await;
            tx.send(41).expect("the nested block_on waits");
        });
        assert_eq!(finish(outer).expect("no panic"), 42);
    }

    /// Nested ten deep, each waiting for a task behind it in the queue.
    fn nested_block_on_in_depth(case) {
        fn descend(depth: u32) -> u32 {
            if depth == 0 {
                return 0;
            }
            let below = cmwq::spawn(async move { descend(depth - 1) });
            Handle::current().block_on(below).expect("no panic below") + 1
        }
        let runtime = case.start(1);
        assert_eq!(finish(runtime.spawn(async { descend(10) })).expect("no panic"), 10);
    }

    /// An executor that knows nothing of the runtime, within a task.
    fn foreign_block_on(case) {
        let runtime = case.start(1);
        let task = runtime.spawn(async {
            let sibling = cmwq::spawn(async {
                cmwq::time::sleep(Duration::from_millis(1)).await;
                7
            });
            futures::executor::block_on(sibling).expect("the sibling runs")
        });
        assert_eq!(finish(task).expect("no panic"), 7);
    }

    fn block_in_place(case) {
        let runtime = case.start(1);
        let task = runtime.spawn(async {
            let (tx, rx) = mpsc::channel();
            cmwq::spawn(async move { tx.send(5).expect("the spawner waits") });
            let n = cmwq::task::block_in_place(|| rx.recv_timeout(PATIENCE)).expect("it runs");
            cmwq::task::yield_now().await;
            n
        });
        assert_eq!(finish(task).expect("no panic"), 5);
    }

    /// A task of each runtime blocks on the other runtime.
    fn two_runtimes(case) {
        let (here, there) = (case.start(1), case.start(1));
        let (a_tx, a) = mpsc::channel();
        let (b_tx, b) = mpsc::channel();
        let (c_tx, c) = mpsc::channel();
        let first = here.spawn(async move { a.recv_timeout(PATIENCE).expect("the second") + 1 });
        let second = there.spawn(async move {
            a_tx.send(b.recv_timeout(PATIENCE).expect("the third") + 1).expect("first waits");
        });
        let third = here.spawn(async move {
            b_tx.send(c.recv_timeout(PATIENCE).expect("the fourth") + 1).expect("second waits");
        });
        let fourth = there.spawn(async move { c_tx.send(1).expect("third waits") });
        assert_eq!(finish(first).expect("no panic"), 4);
        for task in [second, third, fourth] {
            finish(task).expect("no panic");
        }
    }

    /// A task makes a runtime, uses it and drops it, beside timers and sockets of its own core.
    fn runtime_inside_a_task(case) {
        let runtime = case.start(1);
        let beside = Beside::start(&runtime);
        let task = runtime.spawn(async move {
            let inner = case.builder(1).build().expect("what could be built outside");
            let sum = inner.block_on(async {
                let tasks: Vec<_> = (0..10).map(|n| cmwq::spawn(async move { n })).collect();
                let mut sum = 0;
                for task in tasks {
                    cmwq::time::sleep(Duration::from_millis(1)).await;
                    sum += task.await.expect("no panic");
                }
                sum
            });
            drop(inner);
            cmwq::task::yield_now().await;
            sum
        });
        assert_eq!(finish(task).expect("no panic"), 45);
        beside.progress().expect("the outer runtime goes on");
    }

    /// Abort cannot interrupt a system call: it takes effect when the poll returns.
    fn abort_of_a_blocked_task(case) {
        let runtime = case.start(1);
        let beside = Beside::start(&runtime);
        let reached = Arc::new(AtomicBool::new(false));
        let dropped = Arc::new(AtomicBool::new(false));
        let Block { enter, release } = Block::pipe();
        let task = {
            let (reached, dropped) = (reached.clone(), dropped.clone());
            let guard = OnDrop::new(move || dropped.store(true, Ordering::SeqCst));
            runtime.spawn(async move {
                let _guard = guard;
                enter();
                cmwq::task::yield_now().await;
                reached.store(true, Ordering::SeqCst);
            })
        };
        beside.progress().and_then(|()| beside.progress()).expect("beside the blocked task");
        task.abort();
        beside.progress().expect("an abort stalls nobody");
        assert!(!task.is_finished());
        assert!(!dropped.load(Ordering::SeqCst), "the future is in use by its blocked poll");
        release();
        assert!(finish(task).expect_err("aborted").is_cancelled());
        assert!(dropped.load(Ordering::SeqCst), "dropped before the handle says so");
        assert!(!reached.load(Ordering::SeqCst));
    }

    /// Workers that were blocked come back to their core, and the count of blocked ones to zero.
    fn workers_return(case) {
        let runtime = case.start(1);
        for _ in 0..5 {
            let mut releases = Vec::new();
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let Block { enter, release } = Block::pipe();
                    releases.push(release);
                    runtime.spawn(async move { enter() })
                })
                .collect();
            until("ten workers are blocked", || runtime.metrics().blocked_workers() >= 9);
            releases.into_iter().for_each(|release| release());
            for task in tasks {
                finish(task).expect("no panic");
            }
            until("no worker is blocked", || runtime.metrics().blocked_workers() == 0);
        }
        assert!(runtime.metrics().takeovers_count() >= 9);
    }
}
