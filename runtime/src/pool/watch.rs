//! With the perf and bpf detectors: which standbys watch the holder.
//!
//! A *watcher* waits for the kernel to say that whoever holds the core went to sleep
//! ([`watch_holder`](crate::detect::watch_holder)), instead of on its own word. So whoever wakes it
//! has to kick its descriptor too. It stands at a [`Post`], of which there are
//!
//! - one with perf: the watcher waits for the ring of one holder, and each new one kicks it to look
//!   again;
//! - two with bpf: both wait for the bell of the core, whoever holds it. The kernel wakes both; the
//!   first to run takes over, the other one runs when its turn comes, at the latest when the new
//!   holder sleeps, and is watching all the while. It sees to it that its second post is filled
//!   again. So a new holder has nobody to wake: a thread that it wakes preempts it, and 10 us went by
//!   before it polled its first task.
//!
//! If nobody watches a new holder it wakes a standby.

use super::watch_role::WatchRole;
use crate::detect::Gate;
use crate::sys::bpf::Bell;
use crate::sys::perf::SwitchRing;
use crate::sys::uring_poll::Kick;
use std::io;
use std::sync::Arc;

pub(crate) struct Watch {
    posts: Box<[Post]>,
    /// With the bpf detector: what rings when the holder goes to sleep.
    bell: Option<Bell>,
}

/// Where one standby watches, and how it is called back.
pub(crate) struct Post {
    role: WatchRole,
    kick: Kick,
}

impl Watch {
    /// For the bpf detector if there is a bell, otherwise for perf.
    pub(crate) fn new(bell: Option<Bell>) -> io::Result<Self> {
        let posts = if bell.is_some() { 2 } else { 1 };
        let post = |_| Ok(Post { role: WatchRole::new(), kick: Kick::new()? });
        Ok(Self { posts: (0..posts).map(post).collect::<io::Result<_>>()?, bell })
    }

    /// For a worker whose thread is `tid`.
    pub(crate) fn make_gate(&self, tid: i32) -> io::Result<Gate> {
        Ok(match &self.bell {
            Some(bell) => Gate::Bpf(Arc::new(bell.list(tid)?)),
            None => Gate::Perf(Arc::new(SwitchRing::open(tid)?)),
        })
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

    /// There is another holder: a watcher that waits for the former one has to look again.
    pub(crate) fn redirect(&self) {
        if self.bell.is_none() {
            self.posts.iter().for_each(|post| post.kick.kick());
        }
    }
}

impl Post {
    /// Gives the post back. Only by the worker that has it.
    pub(crate) fn leave(&self) {
        self.role.release();
    }

    pub(crate) fn kick_source(&self) -> &Kick {
        &self.kick
    }
}
