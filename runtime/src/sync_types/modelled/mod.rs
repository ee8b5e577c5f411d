//! Loom's types, and what loom has not: SeqCst accesses and a futex.

pub(crate) mod atomic;
pub(crate) mod futex;

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// A number that no other thread has at the same time: loom's threads share one of the system's.
pub(crate) fn this_thread() -> usize {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let id = loom::thread::current().id();
    BuildHasherDefault::<DefaultHasher>::default().hash_one(id) as usize
}

/// Like `loom::model`, but with at most three preemptions per run unless `LOOM_MAX_PREEMPTIONS`
/// says otherwise: for models whose full exploration takes more than some seconds. Nearly all
/// known bugs of this kind need two or fewer.
#[cfg(test)]
pub(crate) fn bounded_model(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}
