//! Without arguments, with documentation, attributes and an inner attribute.

/// Documented.
#[cmwq::main]
#[allow(clippy::unused_async)]
async fn main() {
    #![allow(unused_variables)]
    let unused = 1;
    assert_eq!(cmwq::spawn(async { 42 }).await.unwrap(), 42);
}
