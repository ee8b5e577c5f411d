//! A task that blocks its thread, and one that does not notice.
//!
//! `cargo run --release -p cmwq-examples --bin hello`

use std::{
    thread,
    time::{Duration, Instant},
};

// One core, so that the two tasks share it: on tokio the first tick would come after the nap.
#[cmwq::main(worker_threads = 1)]
async fn main() {
    let start = Instant::now();

    let ticks = cmwq::spawn(async move {
        for i in 1..=5 {
            cmwq::time::sleep(Duration::from_millis(20)).await;
            println!("{:>4} ms  tick {i}", start.elapsed().as_millis());
        }
    });
    let nap = cmwq::spawn(async move {
        println!("{:>4} ms  asleep, and so is my thread", start.elapsed().as_millis());
        thread::sleep(Duration::from_millis(150));
        println!("{:>4} ms  awake", start.elapsed().as_millis());
    });

    ticks.await.expect("the ticks do not panic");
    nap.await.expect("the nap does not panic");
}
