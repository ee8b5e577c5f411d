use super::*;
use std::time::Duration;

/// A ring of the calling thread, `None` where the machine refuses.
fn own_ring() -> Option<SwitchRing> {
    SwitchRing::open(0).inspect_err(|error| eprintln!("skipped: {error}")).ok()
}

fn readable(ring: &SwitchRing) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(&ring.fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
}

fn sleep() {
    std::thread::sleep(Duration::from_millis(1));
}

#[test]
fn closed_gate_is_silent() {
    let Some(ring) = own_ring() else { return };
    sleep();
    assert_eq!(ring.drain(), Switches::default());
    ring.gate_open();
    ring.gate_close();
    ring.drain();
    readable(&ring);
    for _ in 0..1000 {
        std::thread::yield_now();
    }
    sleep();
    assert!(!readable(&ring));
    assert_eq!(ring.drain(), Switches::default());
}

#[test]
fn open_gate_records() {
    let Some(ring) = own_ring() else { return };
    for _ in 0..10 {
        ring.gate_open();
        sleep();
        ring.gate_close();
        assert!(readable(&ring));
        // It is this thread that looks, so it is back, whatever happened before.
        assert_eq!(ring.drain(), Switches { resumed: true, ..Switches::default() });
        assert_eq!(ring.drain(), Switches::default());
    }
}

#[test]
fn a_blocked_thread_is_seen_from_outside() {
    if own_ring().is_none() {
        return;
    }
    let (pipe_out, pipe_in) = rustix::pipe::pipe().unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let ring = std::sync::Arc::new(SwitchRing::open(0).unwrap());
        ring.gate_open();
        send.send(ring).unwrap();
        rustix::io::read(&pipe_out, &mut [0u8; 1]).unwrap();
    });
    let ring = receive.recv().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while !ring.drain().blocked {
        assert!(std::time::Instant::now() < deadline);
    }
    ring.gate_close();
    drop(pipe_in);
    thread.join().unwrap();
    assert_eq!(ring.drain(), Switches::default());
}

#[test]
fn a_full_ring_is_given_room() {
    let Some(ring) = own_ring() else { return };
    ring.gate_open();
    // 16 bytes a sleep: three times round the ring. Now and then the time is over before the
    // thread sleeps, and then there is no record.
    let sleeps = 3 * ring.page_size / 16;
    let seen = (0..sleeps).filter(|_| {
        std::thread::sleep(Duration::from_micros(20));
        ring.drain().resumed
    });
    assert!(seen.count() > sleeps * 2 / 3);
}

#[test]
fn errors_say_what_to_do() {
    let refused = || io::Error::from_raw_os_error(libc::EACCES);
    assert!(explain_open(7, refused()).to_string().contains("thread 7"));
    assert!(explain_mmap(7, refused()).to_string().contains("RLIMIT_MEMLOCK"));
    let missing = io::Error::from_raw_os_error(libc::ENOSYS);
    assert!(explain_open(7, missing).to_string().contains("perf_event_open"));
    if own_ring().is_none() {
        return;
    }
    assert_eq!(
        SwitchRing::open(1 << 23).map(drop).map_err(|e| e.raw_os_error()),
        Err(Some(libc::ESRCH))
    );
}
