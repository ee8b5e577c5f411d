//! Tasks with names.
//!
//! A worker shows the name of what it polls for the time of the poll. So tasks without a name, which are
//! nearly all, have no place for one and pay nothing.

use crate::context;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pin_project! {
    /// Tells reports the task's name.
    pub(super) struct Named<F> {
        name: Arc<str>,
        #[pin]
        future: F,
    }
}

impl<F> Named<F> {
    pub(super) fn new(name: &str, future: F) -> Self {
        Self { name: name.into(), future }
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        /// Also when the future panics.
        struct Hide;
        impl Drop for Hide {
            fn drop(&mut self) {
                show(None);
            }
        }
        let this = self.project();
        show(Some(this.name.clone()));
        let _hide = Hide;
        this.future.poll(cx)
    }
}

fn show(name: Option<Arc<str>>) {
    context::with_local(|local| {
        if let Some(local) = local {
            local.worker().set_task_name(name);
        }
    });
}
