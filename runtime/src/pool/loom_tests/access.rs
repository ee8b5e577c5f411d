//! Guests that come and go, against standbys: nobody holds a core that is closed, and the first guest
//! holds the core that it has opened.
//!
//! Everything is real but the standby's loop, of which this is one turn: adoption or a takeover.

use super::super::access::{Access, Left};
use super::super::{Holder, NOBODY};
use std::sync::Arc;

/// Workers: a guest, the next one, and a standby.
const GUEST: u32 = 0;
const NEXT: u32 = 1;
const STANDBY: u32 = 2;

struct Core {
    access: Access,
    holder: Holder,
}

impl Core {
    /// A guest is there, but this worker holds the core.
    fn held_by(worker: u32) -> Arc<Self> {
        let core = Self { access: Access::new(false), holder: Holder::new() };
        core.access.come(&core.holder, worker);
        Arc::new(core)
    }

    fn beside<T: 'static>(
        self: &Arc<Self>,
        f: impl FnOnce(&Self) -> T + 'static,
    ) -> loom::thread::JoinHandle<T> {
        let core = self.clone();
        loom::thread::spawn(move || f(&core))
    }

    fn adopt(&self) -> bool {
        self.access.adopt(&self.holder, STANDBY)
    }
}

#[test]
fn the_last_guest_leaves_a_core_that_nobody_holds() {
    loom::model(|| {
        let core = Core::held_by(NOBODY);
        let standby = core.beside(Core::adopt);
        let left = core.access.leave(&core.holder);
        let was_adopted = standby.join().unwrap();
        let former = if was_adopted { STANDBY } else { NOBODY };
        assert_eq!((left, core.holder.get()), (Left::Closed(former), NOBODY));
        assert!(!core.access.is_open());
    });
}

#[test]
fn the_last_guest_leaves_in_the_middle_of_a_takeover() {
    loom::model(|| {
        let core = Core::held_by(GUEST);
        let standby = core.beside(|core| core.holder.change(GUEST, STANDBY));
        let left = core.access.leave(&core.holder);
        let was_taken_over = standby.join().unwrap();
        let former = if was_taken_over { STANDBY } else { GUEST };
        assert_eq!((left, core.holder.get()), (Left::Closed(former), NOBODY));
    });
}

#[test]
fn the_first_guest_holds_the_core() {
    loom::model(|| {
        let core = Core::held_by(GUEST);
        let guests = core.beside(|core| {
            core.access.leave(&core.holder);
            core.access.come(&core.holder, NEXT);
            core.holder.get()
        });
        let adopted = core.adopt();
        assert_eq!(guests.join().unwrap(), NEXT);
        assert!(!adopted, "there was always somebody, or the core was closed");
    });
}

#[test]
fn of_two_guests_that_change_places_one_holds_the_core_or_a_standby_does() {
    loom::model(|| {
        let core = Core::held_by(GUEST);
        let next = core.beside(|core| core.access.come(&core.holder, NEXT));
        let left = core.access.leave(&core.holder);
        // As `Core::guest_leaves()`.
        if left == Left::Open {
            assert!(core.holder.change(GUEST, NOBODY));
        }
        next.join().unwrap();
        assert!(core.access.is_open());
        match left {
            Left::Open => assert!(core.adopt()),
            Left::Closed(_) => assert_eq!(core.holder.get(), NEXT),
        }
    });
}
