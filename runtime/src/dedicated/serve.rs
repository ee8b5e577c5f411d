//! The loop of the thread that serves a worker.

use super::current;
use super::item::Core;
use super::shared::{Seat, Shared};
use crate::contain::contain;
use crate::context;
use crate::sync_types::this_thread;
use std::sync::Arc;

impl Seat {
    /// Executes what is queued, on this thread, until it is asked to leave.
    pub(super) fn serve(self) {
        self.sit_down();
        while let Some((number, work)) = self.shared.next() {
            self.shared.execute(&work, number);
            // It may be the last reference to the closure, whose drop is the user's.
            contain(|| drop(work));
        }
    }

    /// The calling thread is the one that serves.
    fn sit_down(&self) {
        self.shared.locked(|books, _| {
            if let Some(server) = &mut books.server {
                server.thread = Some(this_thread());
            }
        });
    }
}

impl Shared {
    /// Waits for the next work; `None` if the server is to leave.
    fn next(&self) -> Option<(u64, Arc<Core>)> {
        let mut books = self.books();
        loop {
            books.promote();
            let was_stopped = books.server.as_ref().is_some_and(|server| server.leaves);
            // What was queued before the end is executed, even if there was a stop between.
            let leaves = if books.is_ending { !books.has_work() } else { was_stopped };
            if leaves {
                return None;
            }
            if let Some(next) = books.begin() {
                return Some(next);
            }
            set_asleep(&mut books, true);
            books = self.sleep(books);
            set_asleep(&mut books, false);
        }
    }

    fn execute(&self, work: &Arc<Core>, number: u64) {
        debug_assert!(work.state().running == Some(number));
        // The closure is no task, whatever this thread may be.
        let task = context::set_current_task(None);
        let outer = current::enter(work, &self.settings.name);
        work.execute(&self.settings.name);
        current::leave(outer);
        context::set_current_task(task);
        self.locked(|books, later| {
            books.end(work);
            books.settle(later);
        });
    }
}

fn set_asleep(books: &mut super::books::Books, is_asleep: bool) {
    if let Some(server) = &mut books.server {
        server.is_asleep = is_asleep;
    }
}
