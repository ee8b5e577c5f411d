//! With the perf and bpf detectors: which standbys watch the holder.
//!
//! A *watcher* waits for the kernel to say that whoever holds the core went to sleep
//! ([`watch_holder`](crate::detect::watch_holder)), instead of on its own word. So whoever wakes it
//! has to kick its descriptor too. It stands at a [`Post`], of which there are two. Both
//! watchers wait for whoever holds the core: with bpf for the core's bell, with perf for the rings of
//! all its workers. The kernel wakes both; the first to run takes over, the other one goes on
//! watching. So a new holder has nobody to wake: a thread that it wakes preempts it, and 10 us went
//! by before it polled its first task.
//!
//! Two things make it wake somebody after all. If nobody watches it wakes a standby; and with perf it
//! kicks a watcher that has not looked for new rings since its own was opened.

use super::watch_role::WatchRole;
use crate::detect::Gate;
use crate::sys::bpf::Bell;
use crate::sys::perf::SwitchRing;
use crate::sys::uring_poll::Kick;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Watch {
    posts: Box<[Post]>,
    /// With the bpf detector: what rings when the holder goes to sleep.
    bell: Option<Bell>,
    /// With the perf detector: how many rings have been opened.
    opened: AtomicU64,
}

const POSTS: usize = 2;

/// Where one standby watches, and how it is called back.
pub(crate) struct Post {
    role: WatchRole,
    kick: Kick,
}

impl Watch {
    /// For the bpf detector if there is a bell, otherwise for perf.
    pub(crate) fn new(bell: Option<Bell>) -> io::Result<Self> {
        let post = |_| Ok(Post { role: WatchRole::new(), kick: Kick::new()? });
        let posts = (0..POSTS).map(post).collect::<io::Result<_>>()?;
        Ok(Self { posts, bell, opened: AtomicU64::new(0) })
    }

    /// For a worker whose thread is `tid`, which announces it when others can find it.
    pub(crate) fn make_gate(&self, tid: i32) -> io::Result<Gate> {
        Ok(match &self.bell {
            Some(bell) => Gate::Bpf(Arc::new(bell.list(tid)?)),
            None => Gate::Perf(Arc::new(SwitchRing::open(tid)?)),
        })
    }

    /// A worker has a new gate.
    pub(crate) fn announce(&self) {
        if self.bell.is_none() {
            self.opened.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many gates have been announced that watchers have to know.
    pub(crate) fn announced(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    pub(crate) fn bell(&self) -> Option<&Bell> {
        self.bell.as_ref()
    }

    pub(crate) fn posts(&self) -> &[Post] {
        &self.posts
    }

    /// Takes a post, if one is vacant.
    pub(crate) fn claim(&self, worker: u32) -> Option<&Post> {
        self.posts.iter().find(|post| post.role.claim(worker))
    }

    /// Does nobody watch?
    pub(crate) fn is_deserted(&self) -> bool {
        self.posts.iter().all(|post| post.role.is_vacant())
    }

    /// Is there room for another watcher?
    pub(crate) fn has_vacancy(&self) -> bool {
        self.posts.iter().any(|post| post.role.is_vacant())
    }

    /// Makes the watcher look again, if it is this worker.
    pub(crate) fn kick_if(&self, worker: u32) {
        if let Some(post) = self.posts.iter().find(|post| post.role.is(worker)) {
            post.kick.kick();
        }
    }

    /// There is another holder: watchers that may not know its gate have to look again.
    pub(crate) fn redirect(&self) {
        let announced = self.announced();
        let unaware = self.posts.iter().filter(|post| post.role.lacks(announced));
        unaware.for_each(|post| post.kick.kick());
    }
}

impl Post {
    /// Gives the post back. Only by the worker that has it.
    pub(crate) fn leave(&self) {
        self.role.release();
    }

    /// The watcher waits for everything that was announced up to `announced`.
    pub(crate) fn learn(&self, announced: u64) {
        self.role.learn(announced);
    }

    pub(crate) fn kick_source(&self) -> &Kick {
        &self.kick
    }
}
