//! What `#[cmwq::main]` and `#[cmwq::test]` accept, and where their compile errors point.
//!
//! The programs are in `ui/`. `TRYBUILD=overwrite cargo test -p cmwq-tests --test ui` writes the
//! expected messages anew after a deliberate change; every one of them is ours, not rustc's.

#[test]
fn attributes() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/accepted_*.rs");
    cases.compile_fail("ui/refused_*.rs");
}
