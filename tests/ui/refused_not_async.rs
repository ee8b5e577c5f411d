//! Functions that are not `async`.

#[cmwq::main]
fn main() {
    helper();
}

#[cmwq::main(worker_threads = 2)]
fn helper() {}

#[cmwq::test]
fn test() {}
