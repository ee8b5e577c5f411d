//! Nice values that the process may not have: what dumps and reports say.

use cmwq::Workqueue;
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::confine::nice;
use cmwq_tests::{Case, confine, finish, run, until};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Whose nice value was refused, one for each report.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<String>>>);

struct Threads<'a>(&'a Reports);

impl Visit for Threads<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "threads" {
            self.0.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut Threads(self));
    }
}

#[test]
fn refusals_are_shown_and_reported_once() {
    let name = "refusals_are_shown_and_reported_once";
    run(name, || {
        let no_nice = || {
            let none = Rlimit { current: Some(0), maximum: Some(0) };
            Ok(setrlimit(Resource::Nice, none)?)
        };
        let prepare = Prepare::new().step(no_nice).step(confine::unprivileged);
        in_child(name, prepare, || {
            let reports = Reports::default();
            let subscriber = Registry::default().with(reports.clone());
            tracing::subscriber::set_global_default(subscriber).expect("the only one here");
            let (runtime, own) = (Case::Auto.start(1), nice());
            let build =
                |builder: cmwq::workqueue::Builder| builder.build_on(runtime.handle()).unwrap();
            let builder = Workqueue::builder;
            let low = build(builder().name("low").unbound().nice(1).reclaim());
            let refused = [
                build(builder().unbound().nice(-10)),
                build(builder().unbound().nice(-9)),
                build(builder().high_priority()),
            ];
            assert_eq!(finish(low.spawn(async { nice() })).unwrap(), (own + 1).min(19));
            for queue in &refused {
                assert_eq!(finish(queue.spawn(async { nice() })).unwrap(), own);
            }

            let dump = || runtime.handle().dump_workqueues().to_string();
            let rescuer = format!(", rescuer, nice -20 was refused and is {own}): ");
            until("the rescuer has begun", || dump().contains(&rescuer));
            let text = dump();
            let wanted = (own - 10).max(-20);
            let has = |what: String| assert!(text.contains(&what), "no {what:?} in\n{text}");
            has(format!("nice -10 (its threads were refused {wanted} and have {own})"));
            has(format!("high priority, nice {own} (-20 was refused)"));
            assert!(!text.contains("nice 1 (") && text.contains("nice 1"), "{text}");

            let told = || {
                let mut told = reports.0.lock().unwrap().clone();
                told.sort();
                told
            };
            let all = [
                "a rescuer",
                "the workers of an unbound workqueue",
                "the workers of high priority",
            ];
            until("all are told", || told().len() >= 3);
            assert_eq!(told(), all);
        })
        .expect("the child starts");
    });
}
