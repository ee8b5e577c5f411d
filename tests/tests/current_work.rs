//! `current_work` names what the thread executes, wherever that is.

use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
use cmwq::workqueue::{CurrentWork, current_work};
use cmwq::{Work, Workqueue};
use std::sync::mpsc;

fn assert_here(current: &CurrentWork, line: u32) {
    let location = current.location().expect("a place");
    assert!(location.file().ends_with("current_work.rs"));
    assert_eq!(location.line(), line);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn tasks_and_items_of_queues_have_their_names() {
    assert!(current_work().is_none(), "the future of block_on is no task");
    let queue = Workqueue::builder().name("orders").build().unwrap();
    let (task, line) = (queue.spawn(async { current_work() }), line!());
    let id = task.id();
    let current = task.await.unwrap().expect("an item of a queue");
    assert_eq!((current.id(), current.queue()), (id, Some("orders")));
    assert_here(&current, line);

    let (send, receive) = mpsc::channel();
    let (work, line) = (Work::new(move || send.send(current_work()).unwrap()), line!());
    for _ in 0..2 {
        work.queue(&queue);
        work.flush().await;
        let current = receive.recv().unwrap().expect("a work item");
        assert_eq!((current.id(), current.queue()), (work.id(), Some("orders")), "each time");
        assert_here(&current, line);
    }

    let (task, line) = (cmwq::spawn(async { current_work() }), line!());
    let id = task.id();
    let current = task.await.unwrap().expect("a task");
    assert_eq!((current.id(), current.queue()), (id, None), "it is on no queue");
    assert_here(&current, line);

    let task = cmwq::task::spawn_blocking(current_work);
    let id = task.id();
    assert_eq!(task.await.unwrap().map(|current| current.id()), Some(id));
}

#[test]
fn the_innermost_is_named() {
    assert!(current_work().is_none());
    let worker = DedicatedWorker::builder().name("outer").build().unwrap();
    let served = DedicatedWorker::builder().name("inner").without_thread().build().unwrap();
    let runtime = cmwq::runtime::Builder::new_current_thread().build().unwrap();
    let handle = runtime.handle().clone();
    let (send, receive) = mpsc::channel();

    // A closure that serves another worker, whose closure runs a task on its thread.
    let (last, tell) = (served.clone(), send.clone());
    let inner = DedicatedWork::new(move || {
        drop(last.stop());
        tell.send(current_work()).unwrap();
        let task = handle.block_on(async { cmwq::spawn(async { current_work() }).await });
        tell.send(task.unwrap()).unwrap();
        tell.send(current_work()).unwrap();
    });
    inner.queue(&served);
    let outer = DedicatedWork::new(move || {
        send.send(current_work()).unwrap();
        served.run().unwrap();
        send.send(current_work()).unwrap();
    });
    outer.queue(&worker);
    worker.flush_blocking();

    let seen: Vec<_> = receive.try_iter().map(|current| current.expect("in a closure")).collect();
    let names: Vec<_> = seen.iter().map(|current| current.queue()).collect();
    assert_eq!(names, [Some("outer"), Some("inner"), None, Some("inner"), Some("outer")]);
    let ids: Vec<_> = seen.iter().map(|current| current.id()).collect();
    assert_eq!((ids[0], ids[1], ids[3], ids[4]), (outer.id(), inner.id(), inner.id(), outer.id()));
}
