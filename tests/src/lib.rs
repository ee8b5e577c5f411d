//! What the integration tests share.
//!
//! The tests run one at a time within a binary ([`run`]): most of them pin runtimes to the same
//! CPUs and count what happens there, so a neighbour would only add noise. A watchdog ends the
//! process with a list of its threads when a test hangs.
//!
//! Nothing is measured by wall time where an order can be asserted instead. The usual shape is:
//! a task blocks until somebody outside releases it, and that somebody releases it only after
//! the other tasks of the core have made progress ([`beside`], [`blocks`]). A runtime that is
//! stalled by the block never gets that far.

pub mod beside;
pub mod blocks;
pub mod case;
pub mod cgroup;
pub mod child;
pub mod confine;
pub mod crowd;
pub mod dedicated;
pub mod foreign;
pub mod fork;
pub mod inherit;
pub mod ledger;
pub mod nodes;
pub mod places;
pub mod probe;
pub mod random;
pub mod refuse;
pub mod running;
pub mod starving;
pub mod userfault;
pub mod watchdog;
pub mod works;

pub use beside::{Beside, beside_block};
pub use blocks::Block;
pub use case::{Case, NEVER};
pub use running::{Running, finish, until};
pub use watchdog::{Watchdog, run};

/// Its examples run as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Writes that something was left out, and why, where libtest does not swallow it.
pub fn skip(what: &str, why: impl std::fmt::Display) {
    use std::io::Write;
    // A failing stderr is no reason to fail a test that is skipped anyway.
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}

/// Declares each function as one test per [`Case`], in a module of the function's name.
///
/// ```ignore
/// every_case! {
///     fn pipe(case) { beside_block(case, Block::pipe()); }
/// }
/// // pipe::auto, pipe::perf, pipe::bpf, pipe::idle, pipe::monitor, pipe::unpinned, pipe::current_thread
/// ```
#[macro_export]
macro_rules! every_case {
    ($($(#[$meta:meta])* fn $name:ident($case:ident) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every body needs what the file imports")]
            use super::*;

            fn body($case: $crate::Case) $body

            #[test]
            fn auto() {
                $crate::case::run(module_path!(), $crate::Case::Auto, body);
            }
            #[test]
            fn perf() {
                $crate::case::run(module_path!(), $crate::Case::Perf, body);
            }
            #[test]
            fn bpf() {
                $crate::case::run(module_path!(), $crate::Case::Bpf, body);
            }
            #[test]
            fn idle() {
                $crate::case::run(module_path!(), $crate::Case::Idle, body);
            }
            #[test]
            fn monitor() {
                $crate::case::run(module_path!(), $crate::Case::Monitor, body);
            }
            #[test]
            fn unpinned() {
                $crate::case::run(module_path!(), $crate::Case::Unpinned, body);
            }
            #[test]
            fn current_thread() {
                $crate::case::run(module_path!(), $crate::Case::CurrentThread, body);
            }
        }
    )+};
}
