//! Values of `start_paused`, and the flavor whose clock cannot be paused.

#[cmwq::main(flavor = "current_thread", start_paused = 1)]
async fn main() {}

#[cmwq::main(start_paused = true)]
async fn many_cores() {}
