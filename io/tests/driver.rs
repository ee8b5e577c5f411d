//! The driver: what ends a wait, and what happens to sources that go.

mod support;

use cmwq_io::driver::{self, Driver, Handle, Wait};
use cmwq_io::net::{TcpListener, TcpStream};
use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use support::{Count, DriverThread, block_on, now, std_pair};

const MS: u64 = 1_000_000;

fn no_waker(_: std::task::Waker) {
    panic!("no task waits here");
}

/// A driver that is the current one of this thread.
fn enter() -> (Driver, Handle) {
    let (driver, handle) = Driver::new().unwrap();
    driver::set_current(Some(handle.clone()));
    (driver, handle)
}

#[test]
fn drivers_and_handles_may_move() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Driver>();
    send::<Handle>();
    sync::<Handle>();
    send::<TcpStream>();
    sync::<TcpStream>();
}

#[test]
fn ids_differ() {
    let (_a, a) = Driver::new().unwrap();
    let (_b, b) = Driver::new().unwrap();
    assert_ne!(a.id(), b.id());
    assert_eq!(a.id(), a.clone().id());
}

#[test]
fn set_current_returns_the_former() {
    let (_driver, handle) = Driver::new().unwrap();
    assert!(driver::set_current(Some(handle.clone())).is_none());
    driver::with_current(|current| {
        assert_eq!(current.map(Handle::id), Some(handle.id()));
        // Allowed inside.
        assert_eq!(driver::set_current(None).map(|former| former.id()), Some(handle.id()));
    });
    driver::with_current(|current| assert!(current.is_none()));
}

#[test]
fn unpark_ends_the_next_turn() {
    let (mut driver, handle) = Driver::new().unwrap();
    handle.unpark();
    handle.unpark();
    assert_eq!(driver.turn(Wait::Forever, &mut no_waker).unwrap(), 0);
    // Both calls counted as one.
    let start = now();
    driver.turn(Wait::Until(start + 20 * MS), &mut no_waker).unwrap();
    assert!(now() >= start + 20 * MS);
}

#[test]
fn unpark_ends_a_turn_that_waits() {
    let (mut driver, handle) = Driver::new().unwrap();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        handle.unpark();
    });
    driver.turn(Wait::Forever, &mut no_waker).unwrap();
    other.join().unwrap();
}

#[test]
fn a_deadline_is_never_early() {
    let (mut driver, _handle) = Driver::new().unwrap();
    for micros in [1, 50, 137, 1000, 1001, 3333, 20_000] {
        let deadline = now() + micros * 1000;
        driver.turn(Wait::Until(deadline), &mut no_waker).unwrap();
        let end = now();
        assert!(end >= deadline, "{micros} us: {} ns early", deadline - end);
        assert!(end < deadline + 2000 * MS, "{micros} us: {} ns late", end - deadline);
    }
}

#[test]
fn a_deadline_that_has_passed_does_not_wait() {
    let (mut driver, _handle) = Driver::new().unwrap();
    assert_eq!(driver.turn(Wait::Until(0), &mut no_waker).unwrap(), 0);
    assert_eq!(driver.turn(Wait::Until(now()), &mut no_waker).unwrap(), 0);
    assert_eq!(driver.turn(Wait::Poll, &mut no_waker).unwrap(), 0);
}

#[test]
fn a_deadline_may_move_both_ways() {
    let (mut driver, handle) = Driver::new().unwrap();
    let far = now() + 60_000 * MS;
    handle.unpark();
    driver.turn(Wait::Until(far), &mut no_waker).unwrap();
    let near = now() + 5 * MS;
    driver.turn(Wait::Until(near), &mut no_waker).unwrap();
    assert!(now() >= near && now() < far);
    // Armed, then no longer wanted: a later one is not reached early.
    handle.unpark();
    driver.turn(Wait::Until(now() + 5 * MS), &mut no_waker).unwrap();
    thread::sleep(Duration::from_millis(10));
    let later = now() + 30 * MS;
    driver.turn(Wait::Until(later), &mut no_waker).unwrap();
    assert!(now() >= later);
}

#[test]
fn a_forgotten_deadline_ends_one_turn_at_most() {
    let (mut driver, handle) = Driver::new().unwrap();
    handle.unpark();
    driver.turn(Wait::Until(now() + 5 * MS), &mut no_waker).unwrap();
    thread::sleep(Duration::from_millis(10));
    driver.turn(Wait::Forever, &mut no_waker).unwrap();
    // It has fired; only the unpark ends this one.
    let start = now();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        handle.unpark();
    });
    driver.turn(Wait::Forever, &mut no_waker).unwrap();
    assert!(now() >= start + 20 * MS);
    other.join().unwrap();
}

#[test]
fn sources_may_go_while_their_events_pend() {
    let (mut driver, _handle) = enter();
    let mut pairs: Vec<_> = (0..50).map(|_| std_pair()).collect();
    let streams: Vec<_> = pairs
        .iter()
        .map(|(client, _)| TcpStream::from_std(client.try_clone().unwrap()).unwrap())
        .collect();
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    for stream in &streams {
        assert!(stream.poll_read_ready(&mut cx).is_pending());
    }
    pairs.iter_mut().for_each(|(_, server)| server.write_all(b"x").unwrap());
    drop(streams);
    assert_eq!(Arc::strong_count(&count), 2, "a dropped socket drops its wakers");
    // The descriptors are open still: only deregistration keeps the events away.
    assert_eq!(driver.turn(Wait::Poll, &mut no_waker).unwrap(), 0);
    driver::set_current(None);
}

#[test]
fn sources_come_and_go_under_a_running_driver() {
    let driver = DriverThread::start();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                driver::set_current(Some(driver.handle.clone()));
                for round in 0..300 {
                    let (client, mut server) = std_pair();
                    let stream = TcpStream::from_std(client).unwrap();
                    let mut cx = Context::from_waker(std::task::Waker::noop());
                    assert!(stream.poll_read_ready(&mut cx).is_pending());
                    server.write_all(b"x").unwrap();
                    if round % 3 == 0 {
                        thread::yield_now();
                    }
                }
                driver::set_current(None);
            });
        }
    });
}

#[test]
fn waits_fail_when_the_driver_goes() {
    let (driver, _handle) = enter();
    let (client, _server) = std_pair();
    let stream = TcpStream::from_std(client).unwrap();
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    let mut ready = pin!(stream.readable());
    assert!(ready.as_mut().poll(&mut cx).is_pending());
    assert!(stream.poll_read_ready(&mut cx).is_pending());
    drop(driver);
    assert_eq!(count.get(), 2);
    let Poll::Ready(Err(error)) = ready.as_mut().poll(&mut cx) else { panic!("it ended") };
    assert_eq!(error.to_string(), "the runtime this socket was registered with is gone");
    assert!(matches!(stream.poll_read_ready(&mut cx), Poll::Ready(Err(_))));
    // A socket that was not registered yet fails in the same way.
    let (client, _server) = std_pair();
    let stream = TcpStream::from_std(client).unwrap();
    assert!(matches!(stream.poll_read_ready(&mut cx), Poll::Ready(Err(_))));
    assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    driver::set_current(None);
}

#[test]
fn a_panic_in_the_sink_loses_no_wake() {
    let (mut driver, _handle) = enter();
    let pairs: Vec<_> = (0..3).map(|_| std_pair()).collect();
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    let streams: Vec<_> = pairs
        .into_iter()
        .map(|(client, mut server)| {
            server.write_all(b"x").unwrap();
            (TcpStream::from_std(client).unwrap(), server)
        })
        .collect();
    for (stream, _) in &streams {
        assert!(stream.poll_read_ready(&mut cx).is_pending());
    }
    let first = catch_unwind(AssertUnwindSafe(|| {
        driver.turn(Wait::Forever, &mut |_| panic!("expected by the test"))
    }));
    assert!(first.is_err());
    // What was written may arrive a while later.
    let end = now() + 20_000 * MS;
    while count.get() < 2 && now() < end {
        driver.turn(Wait::Until(end), &mut |waker| waker.wake()).unwrap();
    }
    assert_eq!(count.get(), 2);
    driver::set_current(None);
}

#[test]
fn many_waiters_of_one_socket_are_woken_and_cancelled() {
    let (mut driver, _handle) = enter();
    let (client, mut server) = std_pair();
    let stream = TcpStream::from_std(client).unwrap();
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    let mut waits: Vec<_> = (0..1000).map(|_| Box::pin(stream.readable())).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(Arc::strong_count(&count), 1002);
    waits.truncate(900);
    assert_eq!(Arc::strong_count(&count), 902, "a dropped wait drops its waker");
    driver.turn(Wait::Poll, &mut |waker| waker.wake()).unwrap();
    server.write_all(b"x").unwrap();
    while count.get() < 900 {
        driver.turn(Wait::Forever, &mut |waker| waker.wake()).unwrap();
    }
    assert_eq!(count.get(), 900);
    for wait in &mut waits {
        assert!(matches!(wait.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
    }
    driver::set_current(None);
}

#[test]
fn a_wait_that_was_woken_in_vain_waits_again() {
    let (mut driver, _handle) = enter();
    let (client, mut server) = std_pair();
    let stream = TcpStream::from_std(client).unwrap();
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    let mut wait = pin!(stream.readable());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    for round in 1..=3 {
        server.write_all(b"x").unwrap();
        while count.get() < round {
            driver.turn(Wait::Forever, &mut |waker| waker.wake()).unwrap();
        }
        // Somebody else takes the data first.
        assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 1);
        assert_eq!(stream.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    driver::set_current(None);
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn a_socket_outside_of_a_runtime_panics() {
    let _ = TcpStream::from_std(std_pair().0);
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn binding_outside_of_a_runtime_panics() {
    let _ = futures::executor::block_on(TcpListener::bind("127.0.0.1:0"));
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn waiting_outside_of_a_runtime_panics() {
    let stream = block_on(async { TcpStream::from_std(std_pair().0).unwrap() });
    let _ = stream.poll_read_ready(&mut Context::from_waker(std::task::Waker::noop()));
}
