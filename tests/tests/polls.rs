//! Poll by poll, with a waker that tells whether it was woken: what is pending is woken when it
//! becomes ready, not before, and what is ready needs no wake.

use cmwq::net::{TcpListener, TcpStream};
use cmwq::runtime::Runtime;
use cmwq::task::JoinSet;
use cmwq::time::{self, Duration, Instant, MissedTickBehavior};
use cmwq_tests::{Case, run, until};
use std::fmt::Debug;
use std::future::Future;
use std::io::{ErrorKind, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok};

/// The calling thread is in the runtime, and drives nothing: the workers do.
fn inside(name: &str, body: impl FnOnce(&Runtime)) {
    run(name, || {
        let runtime = Case::Auto.start(1);
        let _entered = runtime.enter();
        body(&runtime);
    });
}

fn until_woken<T>(what: &str, task: &Spawn<T>) {
    until(what, || task.is_woken());
}

/// The machine may stand still until a deadline is over that was to be waited for: such a round is
/// `false`, and repeated.
fn in_time(mut round: impl FnMut() -> bool) {
    assert!((0..10).any(|_| round()), "ready at once, each time");
}

/// Waits for what is pending now.
fn wait<F: Future<Output: Debug>>(what: &str, task: &mut Spawn<F>) -> F::Output {
    assert_pending!(task.poll(), "{what}");
    until_woken(what, task);
    assert_ready!(task.poll(), "{what}")
}

#[test]
fn sleep() {
    inside("sleep", |_| {
        in_time(|| {
            let start = Instant::now();
            let mut sleep = spawn(time::sleep(Duration::from_millis(20)));
            // A second poll changes nothing.
            let was_pending = sleep.poll().is_pending() && sleep.poll().is_pending();
            if was_pending {
                until_woken("the deadline", &sleep);
                assert_ready!(sleep.poll());
            }
            assert!(start.elapsed() >= Duration::from_millis(20), "early");
            was_pending
        });
    });
}

#[test]
fn sleep_that_is_due_wakes_nobody() {
    inside("sleep_that_is_due_wakes_nobody", |_| {
        let past = Instant::now();
        // So the core has looked at its timers since.
        wait("another sleep", &mut spawn(time::sleep(Duration::from_millis(1))));
        let mut sleep = spawn(time::sleep_until(past));
        assert_ready!(sleep.poll());
        assert!(!sleep.is_woken());
    });
}

/// Of two wakers the one that polled last is woken.
#[test]
fn sleep_that_moves_to_another_task() {
    inside("sleep_that_moves_to_another_task", |_| {
        in_time(|| {
            let mut sleep = Box::pin(time::sleep(Duration::from_millis(20)));
            let mut first = spawn(());
            let was_pending = first.enter(|cx, _| sleep.as_mut().poll(cx)).is_pending();
            let mut second = spawn(sleep);
            if !was_pending || second.poll().is_ready() {
                return false;
            }
            until_woken("the deadline", &second);
            assert!(!first.is_woken());
            assert_ready!(second.poll());
            true
        });
    });
}

#[test]
fn sleep_that_is_reset() {
    inside("sleep_that_is_reset", |_| {
        let far = Instant::now() + Duration::from_secs(3600);
        let mut sleep = spawn(Box::pin(time::sleep_until(far)));
        assert_pending!(sleep.poll());
        sleep.as_mut().reset(Instant::now() + Duration::from_millis(5));
        until_woken("the new deadline", &sleep);
        assert_ready!(sleep.poll());
    });
}

#[test]
fn interval() {
    inside("interval", |_| {
        let period = Duration::from_millis(20);
        let mut interval = time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let first = {
            let mut tick = spawn(interval.tick());
            assert_ready!(tick.poll(), "the first tick is at once")
        };
        // Dropped while it is pending: no tick is lost.
        let mut last = first;
        in_time(|| {
            let mut polled = spawn(interval.tick()).poll();
            let mut was_pending = false;
            if polled.is_pending() {
                let mut tick = spawn(interval.tick());
                polled = tick.poll();
                was_pending = polled.is_pending();
                if was_pending {
                    until_woken("the next tick", &tick);
                    polled = tick.poll();
                }
            }
            let tick = assert_ready!(polled);
            assert_eq!(tick - last, period);
            last = tick;
            was_pending
        });
        // Two are due when nobody looks.
        std::thread::sleep(2 * period);
        for missed in [1, 2] {
            let mut tick = spawn(interval.tick());
            assert_eq!(assert_ready!(tick.poll()) - last, missed * period);
        }
    });
}

#[test]
fn timeout() {
    inside("timeout", |_| {
        in_time(|| {
            let never = std::future::pending::<()>();
            let mut timeout = spawn(time::timeout(Duration::from_millis(10), never));
            let polled = timeout.poll();
            if polled.is_ready() {
                assert_ready_err!(polled);
                return false;
            }
            until_woken("the end of the timeout", &timeout);
            assert_ready_err!(timeout.poll());
            true
        });
        // What is ready is ready, however late.
        let ready = std::future::ready(7);
        let mut timeout = spawn(time::timeout(Duration::ZERO, ready));
        assert_eq!(assert_ready_ok!(timeout.poll()), 7);
    });
}

#[test]
fn join_handle() {
    inside("join_handle", |runtime| {
        let (send, receive) = cmwq::sync::oneshot::channel();
        let mut handle = spawn(runtime.spawn(receive));
        assert_pending!(handle.poll());
        assert!(!handle.is_woken(), "nothing was sent");
        send.send(5).expect("the task waits");
        until_woken("the task's end", &handle);
        assert_eq!(assert_ready_ok!(handle.poll()), Ok(5));
    });
}

#[test]
fn join_set() {
    inside("join_set", |_| {
        let mut set = JoinSet::new();
        assert!(assert_ready!(spawn(set.join_next()).poll()).is_none(), "an empty set");
        let (send, receive) = cmwq::sync::oneshot::channel::<()>();
        set.spawn(async { drop(receive.await) });
        let endless = set.spawn(std::future::pending());
        {
            let mut next = spawn(set.join_next());
            assert_pending!(next.poll());
            send.send(()).expect("the task waits");
            until_woken("the first end", &next);
            assert_ready!(next.poll()).expect("a task").expect("no panic");
        }
        let mut next = spawn(set.join_next());
        assert_pending!(next.poll());
        endless.abort();
        until_woken("the aborted one", &next);
        let aborted = assert_ready!(next.poll()).expect("a task");
        assert!(aborted.expect_err("aborted").is_cancelled());
        drop(next);
        assert!(set.is_empty());
    });
}

#[test]
fn tcp_stream() {
    inside("tcp_stream", |runtime| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback listener");
        let address = listener.local_addr().expect("a bound address");
        let mut stream = runtime.block_on(TcpStream::connect(address)).expect("it listens");
        let (mut peer, _) = listener.accept().expect("it connects");

        let mut buffer = [0; 8];
        {
            let mut read = spawn(stream.read(&mut buffer));
            assert_pending!(read.poll());
            assert_pending!(read.poll());
            assert!(!read.is_woken(), "nothing was sent");
            peer.write_all(b"abc").expect("the other end is open");
            until_woken("the bytes", &read);
            assert_eq!(assert_ready_ok!(read.poll()), 3);
        }
        assert_eq!(&buffer[..3], b"abc");
        let none = stream.try_read(&mut buffer).expect_err("all was read");
        assert_eq!(none.kind(), ErrorKind::WouldBlock);

        // Written at once, while there is room; then not before there is room again.
        assert_eq!(assert_ready_ok!(spawn(stream.write(b"xyz")).poll()), 3);
        // The kernel may pass something on a while later, which makes room again.
        let mut write = loop {
            while stream.try_write(&[0; 65536]).is_ok() {}
            let mut write = spawn(stream.write(b"more"));
            if write.poll().is_pending() {
                break write;
            }
        };
        let drained = std::thread::spawn(move || {
            std::io::copy(&mut peer, &mut std::io::sink()).expect("the end comes");
        });
        until_woken("room", &write);
        assert_ready_ok!(write.poll());
        drop(write);
        drop(stream);
        drained.join().expect("no panic");
    });
}

#[test]
fn tcp_stream_whose_peer_goes() {
    inside("tcp_stream_whose_peer_goes", |runtime| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback listener");
        let address = listener.local_addr().expect("a bound address");
        let mut stream = runtime.block_on(TcpStream::connect(address)).expect("it listens");
        let (peer, _) = listener.accept().expect("it connects");
        let mut buffer = [0; 8];
        let mut read = spawn(stream.read(&mut buffer));
        assert_pending!(read.poll());
        drop(peer);
        until_woken("the end", &read);
        assert_eq!(assert_ready_ok!(read.poll()), 0);
    });
}

#[test]
fn tcp_listener() {
    inside("tcp_listener", |runtime| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a listener");
        let address = listener.local_addr().expect("a bound address");
        {
            let mut accept = spawn(listener.accept());
            assert_pending!(accept.poll());
            // Dropped while it is pending: no connection is lost.
        }
        let mut accept = spawn(listener.accept());
        assert_pending!(accept.poll());
        let peer = std::net::TcpStream::connect(address).expect("it listens");
        until_woken("the connection", &accept);
        let (_, from) = assert_ready_ok!(accept.poll());
        assert_eq!(from, peer.local_addr().expect("a bound address"));
    });
}
