//! Reports of tasks that use the CPU for long.

use cmwq::runtime::Builder;
use cmwq_tests::{finish, until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// The counts that were reported.
#[derive(Clone, Default)]
struct Reported(Arc<Mutex<Vec<u64>>>);

impl<S: tracing::Subscriber> Layer<S> for Reported {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Offences<'a>(&'a Reported);
        impl Visit for Offences<'_> {
            fn record_u64(&mut self, field: &Field, value: u64) {
                if field.name() == "offences" {
                    self.0.0.lock().unwrap().push(value);
                }
            }
            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        event.record(&mut Offences(self));
    }
}

#[test]
fn a_repeated_offender_is_reported_at_its_4th_poll_and_then_ever_more_rarely() {
    let reported = Reported::default();
    tracing::subscriber::set_global_default(Registry::default().with(reported.clone()))
        .expect("the only test here");
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).cpu_intensive_threshold(Duration::from_millis(2));
    let runtime = builder.build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let hog = runtime.spawn(async move {
        while !stopped.load(Ordering::SeqCst) {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            cmwq::task::yield_now().await;
        }
    });
    until("three reports", || reported.0.lock().unwrap().len() >= 3);
    stop.store(true, Ordering::SeqCst);
    finish(hog).unwrap();
    assert_eq!(reported.0.lock().unwrap()[..3], [4, 8, 16]);
}
