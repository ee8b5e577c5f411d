//! The generated code passes the lints that a careful user may have turned on.

#![deny(warnings, unused_qualifications, unreachable_code, unused_mut, let_underscore_drop)]
#![forbid(unsafe_code)]

#[cmwq::main]
async fn main() {
    assert_eq!(unit(), ());
    assert_eq!(value(), 3);
}

#[cmwq::main(flavor = "current_thread")]
async fn unit() {}

#[cmwq::main(flavor = "current_thread")]
async fn value() -> u32 {
    1 + 2
}
