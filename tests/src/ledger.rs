//! An account of many tasks: each is polled by one thread at a time and ends exactly once.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// The account.
#[derive(Default)]
pub struct Ledger {
    opened: AtomicUsize,
    completed: AtomicUsize,
    dropped: AtomicUsize,
    violations: Mutex<Vec<String>>,
}

impl Ledger {
    /// An empty account.
    pub fn new() -> Arc<Ledger> {
        Arc::default()
    }

    /// Enters a future in the account.
    pub fn count<F: Future>(self: &Arc<Ledger>, future: F) -> Counted<F> {
        let id = self.opened.fetch_add(1, Ordering::SeqCst);
        let ledger = self.clone();
        Counted { id, ledger, polling: AtomicBool::new(false), future: Box::pin(future) }
    }

    /// Futures made.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Futures whose last poll was ready.
    pub fn completed(&self) -> usize {
        self.completed.load(Ordering::SeqCst)
    }

    /// Futures dropped, completed or not.
    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Panics with everything that was seen and must not be.
    ///
    /// # Panics
    /// When there is something.
    pub fn check(&self) {
        let violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(violations.is_empty(), "{violations:#?}");
    }

    fn violation(&self, text: String) {
        // Not a panic: that would be caught with the task.
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

/// A future with an entry in a [`Ledger`].
pub struct Counted<F> {
    id: usize,
    ledger: Arc<Ledger>,
    polling: AtomicBool,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.polling.swap(true, Ordering::SeqCst) {
            self.ledger.violation(format!("task {} is polled twice at once", self.id));
        }
        let polled = self.future.as_mut().poll(cx);
        if polled.is_ready() {
            self.ledger.completed.fetch_add(1, Ordering::SeqCst);
        }
        self.polling.store(false, Ordering::SeqCst);
        polled
    }
}

impl<F> Drop for Counted<F> {
    fn drop(&mut self) {
        if self.polling.load(Ordering::SeqCst) {
            self.ledger.violation(format!("task {} is dropped while it is polled", self.id));
        }
        self.ledger.dropped.fetch_add(1, Ordering::SeqCst);
    }
}
