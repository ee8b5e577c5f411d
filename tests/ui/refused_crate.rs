//! Values of `crate`.

#[cmwq::main(crate = "not a path")]
async fn main() {}

#[cmwq::main(crate = cmwq)]
async fn no_quotes() {}
