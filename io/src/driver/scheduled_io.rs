//! A registered source: what was reported about it, and who waits for that.

use super::gone;
use super::readiness::ReadinessWord;
use super::waiters::{EntryRoom, Waiters};
use crate::io::{Interest, Ready};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How much room for wakers is added when an event wakes more tasks than ever before.
const MORE_ROOM: usize = 64;

/// Which of the two `poll_` slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(crate) const fn mask(self) -> Ready {
        match self {
            Direction::Read => Interest::READABLE.mask(),
            Direction::Write => Interest::WRITABLE.mask(),
        }
    }

    /// What may be taken for granted of a source of which nothing is known but that an operation of
    /// this direction would have to wait.
    pub(crate) const fn optimistic(self) -> Ready {
        match self {
            Direction::Read => Ready::WRITABLE,
            Direction::Write => Ready::READABLE,
        }
    }
}

/// What a waiter saw: the readiness it asked for, and the tick that goes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadyEvent {
    pub(crate) ready: Ready,
    tick: u64,
}

#[derive(Debug)]
pub(super) struct ScheduledIo {
    word: ReadinessWord,
    waiters: Mutex<Waiters>,
    /// Where the table of live sources has it.
    pub(super) key: usize,
    /// The next source on the release stack; used only by that.
    pub(super) next_released: AtomicPtr<ScheduledIo>,
}

impl ScheduledIo {
    pub(super) fn new(key: usize, initial: Ready) -> ScheduledIo {
        ScheduledIo {
            word: ReadinessWord::new(initial),
            waiters: Mutex::default(),
            key,
            next_released: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        // Nothing under this lock panics half way.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of `mask` is ready now.
    pub(super) fn event(&self, mask: Ready) -> ReadyEvent {
        let now = self.word.load();
        ReadyEvent { ready: now.ready() & mask, tick: now.tick() }
    }

    /// The event that ends a wait for `mask`, if it is there.
    fn look(&self, mask: Ready) -> Poll<io::Result<ReadyEvent>> {
        let now = self.word.load();
        if now.is_shutdown() {
            return Poll::Ready(Err(gone()));
        }
        match now.ready() & mask {
            Ready::EMPTY => Poll::Pending,
            ready => Poll::Ready(Ok(ReadyEvent { ready, tick: now.tick() })),
        }
    }

    /// Waits in the slot of `direction`; the last caller is the one that is woken.
    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyEvent>> {
        let mask = direction.mask();
        if let Poll::Ready(result) = self.look(mask) {
            return Poll::Ready(result);
        }
        let waker = cx.waker().clone();
        let unused = self.waiters().set_slot(direction, waker);
        drop(unused);
        self.look(mask)
    }

    /// Waits for `mask` beside any number of others.
    pub(super) fn readiness(&self, mask: Ready) -> Readiness<'_> {
        Readiness { io: self, mask, key: None }
    }

    /// An operation would have had to wait: forgets what `event` said.
    pub(super) fn clear_would_block(&self, event: ReadyEvent) {
        self.word.clear(event.tick, event.ready);
    }

    /// An operation did less than it was asked for, so that the next one would have to wait. What is
    /// closed stays closed: the end of a stream is no change that would be reported again.
    pub(super) fn clear_drained(&self, event: ReadyEvent) {
        let closed = Ready::READ_CLOSED | Ready::WRITE_CLOSED;
        self.word.clear(event.tick, event.ready - closed);
    }

    /// An event arrived: remembers it, and moves the wakers of those who wait for it to `due`.
    pub(super) fn dispatch(&self, ready: Ready, due: &mut VecDeque<Waker>) {
        self.word.set(ready);
        self.take_waiters(ready, due);
    }

    /// The driver goes: from now on every wait fails.
    pub(super) fn shut_down(&self, due: &mut VecDeque<Waker>) {
        self.word.shut_down();
        self.take_waiters(Ready::ALL, due);
    }

    /// The socket goes: nobody waits any more, so that the driver finds no waker to drop.
    pub(super) fn forget_waiters(&self) {
        let waiters = std::mem::take(&mut *self.waiters());
        drop(waiters);
    }

    fn take_waiters(&self, ready: Ready, due: &mut VecDeque<Waker>) {
        loop {
            let complete = self.waiters().take(ready, due);
            if complete {
                return;
            }
            due.reserve(MORE_ROOM);
        }
    }

    fn add_waiter(&self, mask: Ready, waker: Waker) -> usize {
        let mut room = EntryRoom::default();
        loop {
            let wanted = {
                let mut waiters = self.waiters();
                if waiters.is_full() {
                    waiters.grow_into(&mut room);
                }
                if !waiters.is_full() {
                    return waiters.insert(mask, waker);
                }
                waiters.wanted_capacity()
            };
            room = EntryRoom::with_capacity(wanted);
        }
    }
}

/// Ready when a part of `mask` is; takes its entry back when it is dropped.
#[derive(Debug)]
pub(super) struct Readiness<'a> {
    io: &'a ScheduledIo,
    mask: Ready,
    key: Option<usize>,
}

impl Future for Readiness<'_> {
    type Output = io::Result<ReadyEvent>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(result) = self.io.look(self.mask) {
            return Poll::Ready(result);
        }
        let waker = cx.waker().clone();
        match self.key {
            Some(key) => {
                let unused = self.io.waiters().update(key, waker);
                drop(unused);
            }
            None => self.key = Some(self.io.add_waiter(self.mask, waker)),
        }
        self.io.look(self.mask)
    }
}

impl Drop for Readiness<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.io.waiters().remove(key);
            drop(waker);
        }
    }
}
