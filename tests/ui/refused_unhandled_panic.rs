//! Values of `unhandled_panic`.

#[cmwq::main(unhandled_panic = "abort")]
async fn main() {}

#[cmwq::main(unhandled_panic = true)]
async fn no_string() {}
