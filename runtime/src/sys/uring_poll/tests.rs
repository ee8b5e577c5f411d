use super::*;
use crate::sys::perf::SwitchRing;
use std::sync::Arc;
use std::time::Duration;

/// Runs `test` with every backend that the machine allows.
fn each(test: impl Fn(Waiter)) {
    match Ring::new() {
        Ok(ring) => test(Waiter::with(Backend::Ring(Box::new(ring)))),
        Err(error) => eprintln!("io_uring skipped: {error}"),
    }
    test(Waiter::with(Backend::Epoll(Epoll::new().unwrap())));
}

/// Waits until something is reported.
fn next(waiter: &mut Waiter) -> Vec<u64> {
    let mut keys = Vec::new();
    while keys.is_empty() {
        waiter.wait(&mut |key| keys.push(key)).unwrap();
    }
    keys
}

#[test]
fn kicks_before_and_after_the_watch() {
    each(|mut waiter| {
        let kick = Arc::new(Kick::new().unwrap());
        kick.kick();
        waiter.watch(kick.fd(), 7).unwrap();
        assert_eq!(next(&mut waiter), [7]);
        assert!(kick.drain() && !kick.drain());
        for _ in 0..100 {
            let other = std::thread::spawn({
                let kick = kick.clone();
                move || kick.kick()
            });
            while !kick.drain() {
                waiter.wait(&mut |key| assert_eq!(key, 7)).unwrap();
            }
            other.join().unwrap();
        }
    });
}

#[test]
fn many_watches_and_many_events() {
    each(|mut waiter| {
        let kicks: Vec<Kick> = (0..40).map(|_| Kick::new().unwrap()).collect();
        for (key, kick) in kicks.iter().enumerate() {
            waiter.watch(kick.fd(), key as u64).unwrap();
        }
        for _ in 0..3 {
            kicks.iter().for_each(Kick::kick);
            let mut missing: Vec<bool> = vec![true; kicks.len()];
            while missing.contains(&true) {
                for key in next(&mut waiter) {
                    missing[key as usize] = false;
                    kicks[key as usize].drain();
                }
            }
        }
    });
}

#[test]
fn unwatched_is_not_reported() {
    each(|mut waiter| {
        let (old, new, end) = (Kick::new().unwrap(), Kick::new().unwrap(), Kick::new().unwrap());
        waiter.watch(old.fd(), 1).unwrap();
        old.kick();
        waiter.unwatch(1);
        // The same key again, for another descriptor.
        waiter.watch(new.fd(), 1).unwrap();
        waiter.watch(end.fd(), 2).unwrap();
        assert_eq!(next(&mut waiter), [1, 2]);
        old.kick();
        end.kick();
        assert_eq!(next(&mut waiter), [2]);
        new.kick();
        assert_eq!(next(&mut waiter), [1]);
    });
}

#[test]
fn hang_up_does_not_spin() {
    each(|mut waiter| {
        let (out, into) = rustix::pipe::pipe().unwrap();
        let out = Arc::new(out);
        let kick = Kick::new().unwrap();
        waiter.watch(&out, 1).unwrap();
        waiter.watch(kick.fd(), 2).unwrap();
        assert_eq!(next(&mut waiter), [1, 2]);
        drop(into);
        assert_eq!(next(&mut waiter), [1]);
        kick.kick();
        let mut reports = 0;
        while !kick.drain() {
            waiter.wait(&mut |_| reports += 1).unwrap();
        }
        assert!(reports < 10, "{reports}");
    });
}

#[test]
fn reports_a_blocking_thread() {
    if let Err(error) = SwitchRing::open(0) {
        eprintln!("skipped: {error}");
        return;
    }
    each(|mut waiter| {
        let (send, receive) = std::sync::mpsc::channel();
        let (pipe_out, pipe_in) = rustix::pipe::pipe().unwrap();
        let worker = std::thread::spawn(move || {
            let ring = Arc::new(SwitchRing::open(0).unwrap());
            send.send(ring.clone()).unwrap();
            for _ in 0..20 {
                ring.gate_open();
                rustix::io::read(&pipe_out, &mut [0u8; 1]).unwrap();
                ring.gate_close();
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let ring = receive.recv().unwrap();
        waiter.watch(ring.fd(), 5).unwrap();
        let mut seen = 0;
        while seen < 20 {
            assert!(next(&mut waiter).iter().all(|&key| key == 5));
            if ring.drain().blocked {
                seen += 1;
                rustix::io::write(&pipe_in, b"x").unwrap();
            }
        }
        worker.join().unwrap();
    });
}
