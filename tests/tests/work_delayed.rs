//! Work items that are queued with a delay.

use cmwq_tests::works::{HOUR, SOON, counted, queue, value};
use std::time::Duration;

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_delay_of_zero_is_none_and_others_are_waited_for() {
    let (queue, (work, count)) = (queue(), counted());
    assert!(work.queue_delayed(&queue, Duration::ZERO));
    queue.flush().await;
    assert_eq!(value(&count), 1);
    let begin = cmwq::time::Instant::now();
    assert!(work.queue_delayed(&queue, Duration::from_millis(20)));
    assert!(work.is_pending() && !work.queue(&queue));
    while work.is_busy() {
        cmwq::time::sleep(SOON).await;
    }
    assert!(begin.elapsed() >= Duration::from_millis(20));
    assert_eq!(value(&count), 2);
}

#[cmwq::test(start_paused = true)]
async fn delays_follow_a_paused_clock() {
    let (queue, (work, count)) = (queue(), counted());
    assert!(work.queue_delayed(&queue, HOUR));
    cmwq::time::advance(HOUR / 2).await;
    assert!(work.is_pending());
    cmwq::time::advance(HOUR).await;
    while work.is_busy() {
        cmwq::task::yield_now().await;
    }
    assert_eq!(value(&count), 1);
    // It advances by itself up to the delay.
    assert!(work.queue_delayed(&queue, HOUR));
    cmwq::time::sleep(HOUR * 2).await;
    assert_eq!(value(&count), 2);
}

#[cmwq::test(start_paused = true)]
async fn mod_delayed_says_whether_it_was_pending() {
    let (queue, (work, count)) = (queue(), counted());
    assert!(!work.mod_delayed(&queue, HOUR));
    for _ in 0..5 {
        cmwq::time::advance(HOUR / 2).await;
        assert!(work.mod_delayed(&queue, HOUR), "put off before it was due");
    }
    assert_eq!(value(&count), 0);
    cmwq::time::sleep(HOUR * 2).await;
    assert_eq!(value(&count), 1);
    assert!(!work.mod_delayed(&queue, Duration::ZERO));
    queue.flush().await;
    assert_eq!(value(&count), 2);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_delay_does_not_hold_the_queue_flush_back() {
    let (queue, (work, count)) = (queue(), counted());
    work.queue_delayed(&queue, HOUR);
    queue.flush().await;
    assert!(work.is_pending());
    assert!(work.flush().await, "but a flush of the work cuts it short");
    assert_eq!(value(&count), 1);
}
