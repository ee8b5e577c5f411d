//! The arguments of `#[cmwq::main]` and `#[cmwq::test]` reach the builder.

use cmwq_tests::Watchdog;
use std::thread::{self, ThreadId};

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn multi_thread() {
    let _watchdog = Watchdog::start("multi_thread");
    let metrics = cmwq::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_workers(), 2);
}

/// The default of a test.
#[cmwq::test]
async fn current_thread() {
    let _watchdog = Watchdog::start("current_thread");
    let there = cmwq::spawn(async { thread::current().id() }).await.expect("no panic");
    assert_eq!(there, thread::current().id());
}

#[cmwq::main]
async fn defaults() -> usize {
    cmwq::runtime::Handle::current().metrics().num_workers()
}

#[cmwq::main(flavor = "multi_thread", worker_threads = 1)]
async fn one_worker() -> usize {
    cmwq::runtime::Handle::current().metrics().num_workers()
}

#[cmwq::main(flavor = "current_thread")]
async fn on_this_thread() -> ThreadId {
    thread::current().id()
}

#[test]
fn main() {
    assert_eq!(defaults(), cmwq_tests::case::cores());
    assert_eq!(one_worker(), 1);
    assert_eq!(on_this_thread(), thread::current().id());
}
