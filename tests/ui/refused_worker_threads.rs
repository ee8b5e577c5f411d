//! Values of `worker_threads`, and the flavor that has none.

#[cmwq::main(worker_threads = 0)]
async fn main() {}

#[cmwq::main(worker_threads = "2")]
async fn quoted() {}

#[cmwq::main(worker_threads = 1 + 1)]
async fn sum() {}

#[cmwq::main(worker_threads = -1)]
async fn negative() {}

#[cmwq::main(worker_threads)]
async fn no_value() {}

#[cmwq::main(flavor = "current_thread", worker_threads = 2)]
async fn one_core() {}

#[cmwq::test(worker_threads = 2)]
async fn default_of_test() {}
