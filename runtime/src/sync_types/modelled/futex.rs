//! A futex over loom's types, with the interface of `sys::futex`.
//!
//! The kernel compares the word and goes to sleep under a lock that the waker takes too. The model
//! has one such lock for all words; a wake ends the sleep of everybody, as a futex may, and a
//! timeout never comes, so whoever relies on it is a deadlock.

use super::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use std::time::Duration;

loom::lazy_static! {
    static ref BUCKET: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
}

pub(crate) fn wait(word: &AtomicU32, expected: u32, _timeout: Option<Duration>) {
    let (lock, changed) = &*BUCKET;
    let guard = lock.lock().expect("no panic under this lock");
    if word.load(Ordering::SeqCst) == expected {
        drop(changed.wait(guard).expect("no panic under this lock"));
    }
}

pub(crate) fn wake_one(word: &AtomicU32) {
    wake_all(word);
}

pub(crate) fn wake_all(_word: &AtomicU32) {
    let (lock, changed) = &*BUCKET;
    drop(lock.lock().expect("no panic under this lock"));
    changed.notify_all();
}
