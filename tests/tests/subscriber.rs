//! A tracing subscriber that blocks.

use cmwq_tests::beside::beside_block_in;
use cmwq_tests::foreign::Action;
use cmwq_tests::{Beside, Block, Case, every_case, run};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Does its action at the first event.
struct AtEvent(Mutex<Option<Action>>);

impl<S: tracing::Subscriber> Layer<S> for AtEvent {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        let action = self.0.lock().expect("no action panics").take();
        if let Some(action) = action {
            action();
        }
    }
}

every_case! {
    fn event_of_a_task(case) {
        beside_block_in(case, Block::pipe(), |rt, enter| {
            rt.spawn(async move {
                let subscriber = Registry::default().with(AtEvent(Mutex::new(Some(enter))));
                tracing::subscriber::with_default(subscriber, || tracing::info!("blocks"));
            });
        });
    }
}

/// Takes its time for every event of the runtime.
struct Slow(Arc<AtomicU64>);

impl<S: tracing::Subscriber> Layer<S> for Slow {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("cmwq") {
            self.0.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The runtime's own events (start, CPU hogs, the cap) go through a subscriber that sleeps.
#[test]
fn events_of_the_runtime() {
    run("events_of_the_runtime", || {
        let events = Arc::new(AtomicU64::new(0));
        let subscriber = Registry::default().with(Slow(events.clone()));
        tracing::subscriber::set_global_default(subscriber).expect("the only global one here");
        let runtime = Case::Auto.start_with(1, |builder| {
            builder.cpu_intensive_threshold(Duration::from_millis(1));
        });
        let beside = Beside::start(&runtime);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        runtime.spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(20) {
                    std::hint::spin_loop();
                }
                cmwq::task::yield_now().await;
            }
        });
        // Long enough for the report of a repeated offender, which is due at the fourth time.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            beside.progress().expect("timers and sockets go on beside a slow subscriber");
        }
        stop.store(true, Ordering::SeqCst);
        assert!(events.load(Ordering::SeqCst) > 0, "the runtime reports its start at least");
    });
}
