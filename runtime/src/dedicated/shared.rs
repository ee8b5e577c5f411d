//! What handles, works and the serving thread of a worker share.

use super::books::{Books, Later, Server, Until};
use super::builder::Settings;
use super::error::WorkerError;
use super::item::{Core, Place};
use super::lock;
use super::thread::Granted;
use crate::contain::contain;
use crate::sys;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(super) struct Shared {
    pub(super) settings: Settings,
    books: Mutex<Books>,
    /// For the server, and nobody else.
    came: Condvar,
    /// What the thread that was made last got.
    granted: Mutex<Option<Arc<Granted>>>,
    /// The process that made it; a forked child has none of its threads.
    pid: u32,
}

/// What became of a queueing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// It was idle, and is queued.
    Queued,
    /// It was pending, or is being cancelled.
    WasPending,
    Destroyed,
    /// It belongs to another worker.
    Foreign,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            books: Mutex::default(),
            came: Condvar::new(),
            granted: Mutex::default(),
            pid: sys::process::id(),
        })
    }

    pub(super) fn is_forked(&self) -> bool {
        sys::process::id() != self.pid
    }

    pub(super) fn assert_not_forked(&self) {
        assert!(
            !self.is_forked(),
            "this process was forked from the one that made the dedicated worker {:?}, and has not \
             its thread; make a worker after fork(), or exec",
            self.settings.name
        );
    }

    /// Under the lock, and then what may not happen under it.
    pub(super) fn locked<R>(&self, change: impl FnOnce(&mut Books, &mut Later) -> R) -> R {
        let mut later = Later::default();
        let result = change(&mut lock(&self.books), &mut later);
        if later.calls_server {
            self.came.notify_one();
        }
        later.wakers.into_iter().for_each(|waker| contain(|| waker.wake()));
        later.works.into_iter().for_each(|work| contain(|| drop(work)));
        result
    }

    // Queueing.

    /// A work is queued. If it is pending, it is only with `anew`.
    pub(super) fn queue(
        self: &Arc<Self>,
        work: &Arc<Core>,
        deadline: Option<Instant>,
        anew: bool,
    ) -> Answer {
        self.assert_not_forked();
        self.locked(|books, later| {
            books.promote();
            let mut state = work.state();
            if state.home.as_ref().is_some_and(|home| !Arc::ptr_eq(home, self)) {
                return Answer::Foreign;
            }
            if books.is_ending {
                return Answer::Destroyed;
            }
            let is_pending = state.place != Place::Idle;
            if state.canceling > 0 || (is_pending && !anew) {
                return Answer::WasPending;
            }
            books.take_back(&mut state, later);
            state.home = Some(self.clone());
            books.insert(work, &mut state, deadline, later);
            drop(state);
            if !is_pending {
                return Answer::Queued;
            }
            books.settle(later);
            Answer::WasPending
        })
    }

    // Serving.

    /// Reserves the seat; `thread` is told by who sits down.
    pub(super) fn take_seat(self: &Arc<Self>) -> Result<Seat, WorkerError> {
        self.assert_not_forked();
        self.locked(|books, _| {
            let name = &self.settings.name;
            if books.is_ending {
                return Err(WorkerError::destroyed(name));
            }
            if books.server.is_some() {
                return Err(WorkerError::served(name));
            }
            let seat = books.number();
            let server = Server { seat, thread: None, is_asleep: false, leaves: false };
            books.server = Some(server);
            Ok(Seat { shared: self.clone() })
        })
    }

    /// Asks the server to leave. Returns what to wait for, if there is one.
    pub(super) fn stop(&self) -> Option<Until> {
        self.assert_not_forked();
        self.locked(|books, later| {
            let server = books.server.as_mut()?;
            server.leaves = true;
            later.calls_server = server.is_asleep;
            Some(Until::Left(server.seat))
        })
    }

    /// Takes nothing any more, and asks the server to leave when the list is empty. Returns what to
    /// wait for, if there is one.
    pub(super) fn end(&self) -> Option<Until> {
        self.locked(|books, later| {
            if !books.is_ending {
                // A work whose delay is over was queued before.
                books.promote();
                books.is_ending = true;
            }
            books.clear(books.server.is_none(), later);
            books.settle(later);
            let server = books.server.as_ref()?;
            later.calls_server = server.is_asleep;
            Some(Until::Left(server.seat))
        })
    }

    /// For the server, who sleeps in between.
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    /// Until somebody calls the server, or a delay is over, or for no reason.
    pub(super) fn sleep<'a>(&self, books: MutexGuard<'a, Books>) -> MutexGuard<'a, Books> {
        let Some(deadline) = books.first_deadline() else {
            return self.came.wait(books).unwrap_or_else(PoisonError::into_inner);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let woken = self.came.wait_timeout(books, left);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn granted(&self) -> Option<Arc<Granted>> {
        lock(&self.granted).clone()
    }

    pub(super) fn set_granted(&self, granted: Option<Granted>) {
        *lock(&self.granted) = granted.map(Arc::new);
    }
}

/// The right to serve a worker.
pub(super) struct Seat {
    pub(super) shared: Arc<Shared>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.set_granted(None);
        self.shared.locked(|books, later| {
            books.server = None;
            // Nobody else will come: it is empty unless the thread could not be made.
            if books.is_ending {
                books.clear(true, later);
            }
            books.settle(later);
        });
    }
}
