//! Arguments that do not exist.

#[cmwq::main(threads = 2)]
async fn main() {}

#[cmwq::test(name, flavor = "current_thread")]
async fn bare() {}

#[cmwq::test("multi_thread")]
async fn literal() {}
