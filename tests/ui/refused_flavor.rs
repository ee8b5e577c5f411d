//! Values of `flavor`.

#[cmwq::main(flavor = "single")]
async fn main() {}

#[cmwq::main(flavor = current_thread)]
async fn no_quotes() {}

#[cmwq::main(flavor)]
async fn no_value() {}

#[cmwq::main(current_thread)]
async fn no_name() {}
