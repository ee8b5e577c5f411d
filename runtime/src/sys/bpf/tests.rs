use super::program::Site;
use super::*;
use crate::sys::thread::gettid;
use crate::sys::uring_poll::Waiter;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Runs `test` with a program at each tracepoint that the kernel has; none where it refuses.
fn each(test: impl Fn(&Arc<Hook>)) {
    let sites: [fn(&btf::Btf) -> Option<Site>; 2] = [Site::entry, Site::switch];
    for site in sites {
        match Hook::load(&[site]).map(Arc::new) {
            Ok(hook) => test(&hook),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
}

fn readable(bell: &Bell) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::from_borrowed_fd(bell.fd().as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
}

fn sleep() {
    std::thread::sleep(Duration::from_millis(1));
}

#[test]
fn only_an_armed_thread_counts() {
    each(|hook| {
        let bell = &hook.bells(1).unwrap()[0];
        let slot = bell.list(gettid()).unwrap();
        sleep();
        assert!(!readable(bell) && slot.blocked() == 0);
        for stamp in [6, 1 << 40] {
            slot.arm(stamp);
            sleep();
            slot.disarm();
            assert!(readable(bell));
            assert_eq!(slot.blocked(), stamp);
            bell.silence();
            assert!(!readable(bell));
        }
        slot.arm(7);
        slot.unlist();
        slot.arm(7);
        sleep();
        assert!(!readable(bell) && slot.blocked() == 1 << 40);
    });
}

#[test]
fn being_preempted_does_not_count() {
    each(|hook| {
        let bell = &hook.bells(1).unwrap()[0];
        let slot = bell.list(gettid()).unwrap();
        slot.arm(1);
        for _ in 0..1000 {
            std::thread::yield_now();
        }
        slot.disarm();
        assert!(!readable(bell) && slot.blocked() == 0);
    });
}

#[test]
fn each_thread_rings_its_own_bell() {
    each(|hook| {
        let bells = hook.bells(3).unwrap();
        std::thread::scope(|scope| {
            for (bell, stamp) in bells[..2].iter().zip(1..) {
                scope.spawn(move || {
                    let slot = bell.list(gettid()).unwrap();
                    slot.arm(stamp);
                    sleep();
                    slot.unlist();
                    assert_eq!(slot.blocked(), stamp);
                });
            }
        });
        assert_eq!([0, 1, 2].map(|n| readable(&bells[n])), [true, true, false]);
    });
}

/// A bell that was never answered, until its buffer is full, and then another who listens.
#[test]
fn a_full_bell_recovers() {
    each(|hook| {
        let bell = &hook.bells(1).unwrap()[0];
        let slot = bell.list(gettid()).unwrap();
        for stamp in 1..1000 {
            // Under load the sleep may be over before the thread has left the CPU.
            let slept = (0..100).any(|_| {
                slot.arm(stamp);
                std::thread::sleep(Duration::from_micros(100));
                slot.disarm();
                slot.blocked() == stamp
            });
            // What it says in memory does not depend on the buffer.
            assert!(slept, "block {stamp} was not seen");
        }
        bell.silence();
        assert!(!readable(bell));
        slot.arm(1);
        sleep();
        slot.disarm();
        assert!(readable(bell));
    });
}

#[test]
fn places_and_bells_are_used_again() {
    each(|hook| {
        let first = hook.bells(2).unwrap();
        let slot = first[0].list(gettid()).unwrap();
        let before = format!("{slot:?}");
        slot.unlist();
        drop((slot, first));
        let again = hook.bells(2).unwrap();
        assert_eq!(before, format!("{:?}", again[1].list(gettid()).unwrap()));
        assert!(hook.bells(1 << 20).is_err());
    });
}

/// One program for whoever asks, and a new one after all have gone.
#[test]
fn shared() {
    let hook = match Hook::shared() {
        Ok(hook) => hook,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    assert!(Arc::ptr_eq(&hook, &Hook::shared().unwrap()));
    assert!([Site::ENTRY, Site::SWITCH].iter().any(|name| format!("{hook:?}").contains(name)));
    let bell = hook.bells(1).unwrap().pop().unwrap();
    drop(hook);
    let slot = bell.list(gettid()).unwrap();
    slot.arm(3);
    sleep();
    slot.unlist();
    assert_eq!(slot.blocked(), 3);
}

/// As a standby sees it: waits for the bell while another thread blocks.
#[test]
fn wakes_who_waits() {
    each(|hook| {
        let bell = &hook.bells(1).unwrap()[0];
        let mut waiter = Waiter::new().unwrap();
        waiter.watch(bell.fd(), 5).unwrap();
        let (pipe_out, pipe_in) = rustix::pipe::pipe().unwrap();
        let listed = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let (send, receive) = std::sync::mpsc::channel();
            let listed = &listed;
            scope.spawn(move || {
                let slot = Arc::new(bell.list(gettid()).unwrap());
                send.send(slot.clone()).unwrap();
                for stamp in 1..=20 {
                    listed.store(stamp, Ordering::SeqCst);
                    slot.arm(stamp.into());
                    rustix::io::read(&pipe_out, &mut [0u8; 1]).unwrap();
                    slot.disarm();
                }
                slot.unlist();
            });
            let slot = receive.recv().unwrap();
            for stamp in 1..=20 {
                loop {
                    bell.silence();
                    if slot.blocked() == stamp {
                        break;
                    }
                    waiter.wait(&mut |key| assert_eq!(key, 5)).unwrap();
                }
                rustix::io::write(&pipe_in, b"x").unwrap();
            }
        });
        assert_eq!(listed.into_inner(), 20);
    });
}

#[test]
fn refusals_are_explained() {
    if let Err(error) = Hook::shared() {
        assert!(error.to_string().starts_with("cannot "), "{error}");
        assert_ne!(error.kind(), io::ErrorKind::Other);
    }
}
