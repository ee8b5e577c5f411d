//! A second attribute that makes a test.

#[cmwq::test]
#[test]
async fn short() {}

#[cmwq::test]
#[::core::prelude::v1::test]
async fn full() {}

#[cmwq::test]
#[should_panic]
#[std::prelude::rust_2021::test]
async fn among_others() {}

fn main() {}
