//! A core that idles serves the one beside it, whose poll lasts. Mostly without a detector: nobody else
//! would.

use cmwq::net::TcpStream;
use cmwq::runtime::{Builder, Detector, Handle, Runtime};
use cmwq_tests::{finish, until};
use futures::stream::{FuturesUnordered, StreamExt};
use std::future::{Future, poll_fn};
use std::hint;
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

fn two_cores(detector: Detector) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .detector(detector)
        // No poll is taken for a hog.
        .cpu_intensive_threshold(cmwq_tests::NEVER)
        .enable_all()
        .build()
        .expect("two cores")
}

/// Gives whichever core is free something to do, again and again.
fn keep_coming_by(handle: &Handle, until: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (handle, until) = (handle.clone(), until.clone());
    thread::spawn(move || {
        while !until.load(Ordering::SeqCst) {
            drop(handle.spawn(async {}));
            thread::sleep(Duration::from_millis(1));
        }
    })
}

/// Blocks in the middle of a poll until that is true; `false` if it never was.
fn block_until(done: &AtomicBool) -> bool {
    let start = Instant::now();
    while !done.load(Ordering::SeqCst) && start.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(1));
    }
    done.load(Ordering::SeqCst)
}

/// The same, but computes.
fn compute_until(done: &AtomicBool) -> bool {
    let start = Instant::now();
    while !done.load(Ordering::SeqCst) && start.elapsed() < Duration::from_secs(10) {
        hint::spin_loop();
    }
    done.load(Ordering::SeqCst)
}

/// Spawns a task for that wait, which is to begin on the core of the calling task: `None` if the other one
/// took it. What is returned becomes true when the wait is over.
async fn waits_here(wait: impl Future<Output = ()> + Send + 'static) -> Option<Arc<AtomicBool>> {
    let waits_at = Arc::new(Mutex::new(None::<ThreadId>));
    let done = Arc::new(AtomicBool::new(false));
    drop(cmwq::spawn({
        let (waits_at, done) = (waits_at.clone(), done.clone());
        async move {
            let mut wait = Box::pin(wait);
            poll_fn(|cx| {
                *waits_at.lock().unwrap() = Some(thread::current().id());
                wait.as_mut().poll(cx)
            })
            .await;
            done.store(true, Ordering::SeqCst);
        }
    }));
    while waits_at.lock().unwrap().is_none() {
        cmwq::task::yield_now().await;
    }
    let is_here = *waits_at.lock().unwrap() == Some(thread::current().id());
    is_here.then_some(done)
}

/// Runs `body`, whose task blocks, beside a core that has nothing but trifles to do.
fn beside_an_idle_core(detector: Detector, body: impl Future<Output = bool> + Send + 'static) {
    let runtime = two_cores(detector);
    let over = Arc::new(AtomicBool::new(false));
    let visitor = keep_coming_by(runtime.handle(), &over);
    let served = finish(runtime.spawn(body)).expect("no panic");
    over.store(true, Ordering::SeqCst);
    visitor.join().unwrap();
    assert!(served, "what waits at a core whose task blocks is served by the other core");
}

#[test]
fn timers_of_a_core_whose_task_blocks() {
    beside_an_idle_core(Detector::Off, async {
        loop {
            if let Some(done) = waits_here(cmwq::time::sleep(Duration::from_millis(50))).await {
                return block_until(&done);
            }
        }
    });
}

#[test]
fn sockets_of_a_core_whose_task_blocks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                // The task may be gone with its runtime.
                let _ = stream.write_all(b"x");
            });
        }
    });
    beside_an_idle_core(Detector::Off, async move {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let read = async move { assert_eq!(stream.read_u8().await.unwrap(), b'x') };
            if let Some(done) = waits_here(read).await {
                return block_until(&done);
            }
        }
    });
}

#[test]
fn the_task_that_is_next_after_one_that_blocks() {
    beside_an_idle_core(Detector::Off, async {
        let (to, from) = oneshot::channel();
        let done = Arc::new(AtomicBool::new(false));
        let waits = Arc::new(AtomicBool::new(false));
        drop(cmwq::spawn({
            let (done, waits) = (done.clone(), waits.clone());
            async move {
                waits.store(true, Ordering::SeqCst);
                from.await.unwrap();
                done.store(true, Ordering::SeqCst);
            }
        }));
        while !waits.load(Ordering::SeqCst) {
            cmwq::task::yield_now().await;
        }
        to.send(()).unwrap();
        block_until(&done)
    });
}

/// The monitor looks there too, but wakes no foreign waker: it leaves that to a worker.
#[test]
fn foreign_wakers_that_the_monitor_finds() {
    beside_an_idle_core(Detector::Monitor, async {
        let mut rounds = 0;
        while rounds < 20 {
            let sleep = cmwq::time::sleep(Duration::from_millis(10));
            let mut sleeps = FuturesUnordered::from_iter([sleep]);
            let through_another = waits_here(async move { sleeps.next().await.unwrap() }).await;
            if let Some(done) = through_another {
                if !compute_until(&done) {
                    return false;
                }
                rounds += 1;
            }
        }
        true
    });
}

/// What a foreign waker wakes at the end of a visit must not be left behind: nothing else comes.
#[test]
fn a_task_that_waits_through_another_waker() {
    let runtime = two_cores(Detector::Off);
    let first = Arc::new(AtomicBool::new(false));
    let task = runtime.spawn({
        let first = first.clone();
        async move {
            loop {
                let sleep = cmwq::time::sleep(Duration::from_secs(1));
                let mut sleeps = FuturesUnordered::from_iter([sleep]);
                let Some(through_another) =
                    waits_here(async move { sleeps.next().await.unwrap() }).await
                else {
                    continue;
                };
                let Some(itself) = waits_here(cmwq::time::sleep(Duration::from_millis(50))).await
                else {
                    continue;
                };
                block_until(&itself);
                first.store(true, Ordering::SeqCst);
                return block_until(&through_another);
            }
        }
    });
    // The idle core meets the poll, and then that it lasts.
    until("the first wait is over", || {
        drop(runtime.spawn(async {}));
        first.load(Ordering::SeqCst)
    });
    thread::sleep(Duration::from_millis(1500));
    drop(runtime.spawn(async {}));
    assert!(
        finish(task).expect("no panic"),
        "a foreign waker has woken a task, and its core went to sleep"
    );
}
