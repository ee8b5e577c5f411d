//! One argument twice; several mistakes in one attribute.

#[cmwq::main(flavor = "multi_thread", flavor = "multi_thread")]
async fn main() {}

#[cmwq::main(threads = 1, worker_threads = 0, start_paused = true)]
async fn all_at_once() {}
