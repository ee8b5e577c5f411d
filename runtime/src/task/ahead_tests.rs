//! Turns ahead of the queue on a real runtime.

use super::RawTask;
use super::raw::Header;
use super::state::OnWake;
use crate::runtime::Builder;
use crate::workqueue::Workqueue;
use std::future::poll_fn;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

/// A waker that has made the task PENDING and has not queued it yet is on a thread that does not keep
/// the runtime: what it uses then is the runtime of a task that is complete already.
#[test]
fn the_runtime_stays_for_a_waker_whose_task_was_polled_ahead() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let high = Workqueue::builder().high_priority().build_on(runtime.handle()).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel::<Waker>();
    let seen = is_over.clone();
    let handle = runtime.spawn(poll_fn(move |cx| {
        if seen.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let _ = tell.send(cx.waker().clone());
        Poll::Pending
    }));
    let waker = told.recv().unwrap();
    let task = RawTask::new(NonNull::new(waker.data().cast::<Header>().cast_mut()).unwrap());
    // It sleeps.
    while !task.state().load().is_idle() {
        std::thread::yield_now();
    }

    // The first half of a wake.
    is_over.store(true, Ordering::SeqCst);
    assert_eq!(task.state().wake_by_ref(), OnWake::Schedule);
    runtime.block_on(high.spawn(handle)).unwrap().unwrap();
    drop(high);
    let (gone, is_gone) = mpsc::channel();
    let end = std::thread::spawn(move || {
        drop(runtime);
        gone.send(()).unwrap();
    });
    let went = is_gone.recv_timeout(Duration::from_millis(100)).is_ok();
    // The second half.
    if !went {
        task.schedule();
    }
    assert!(!went, "the runtime is gone, and the waker is about to use it");
    end.join().unwrap();
    drop(waker);
}
