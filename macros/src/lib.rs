//! The attribute macros of the [`cmwq`] async runtime: [`main`] and [`test`].
//!
//! Use them through the `cmwq` crate, which re-exports both; the code that they write refers to
//! `::cmwq` unless `crate = "..."` names another path.
//!
//! # How this crate is built
//!
//! An attribute takes three steps, a file each:
//!
//! - `function` splits the annotated function into signature and body. The body stays a token
//!   stream: nothing here needs to understand it, and so errors inside it keep their own spans
//!   and a half-typed body still expands for an editor.
//! - `args` turns what stands in the parentheses into values. Every mistake is reported at the
//!   word that is wrong, all of them at once.
//! - `expand` writes the synchronous function. After a mistake it still writes one, with default
//!   settings, so that the mistake is the only error that the user sees.
//!
//! [`cmwq`]: https://docs.rs/cmwq

mod args;
mod expand;
mod function;

use args::Kind;
use proc_macro::TokenStream;

/// Runs an `async fn` on a new runtime: the annotated function becomes an ordinary one that
/// builds the runtime, blocks on the body and returns what the body returns.
///
/// The body is polled on the calling thread, as by `Runtime::block_on`; it is not a task of its
/// own. When it ends the runtime is dropped, which cancels what is still spawned on it.
///
/// The drop waits until the tasks that are being polled, and the closures of `spawn_blocking`, return.
/// A task that blocks for ever (that computes for ever, that waits for a lock that nobody releases)
/// keeps it waiting for ever, and so the function does not return. A program that has such tasks builds
/// its runtime itself, and ends it with `Runtime::shutdown_timeout` or `Runtime::shutdown_background`.
///
/// The function may have any name and, unless that name is `main`, arguments. It may return
/// whatever a synchronous function in its place could return, such as `Result<(), E>` or
/// `ExitCode`. Other attributes on it are kept.
///
/// # Arguments
///
/// | argument | value | default |
/// |---|---|---|
/// | `flavor` | `"multi_thread"` or `"current_thread"` | `"multi_thread"` |
/// | `worker_threads` | number of cores that the runtime uses, 1 to 8192; `multi_thread` only | as many as the process may use |
/// | `start_paused` | `true` or `false`: the clock starts paused; `current_thread` only, needs the feature `test-util` of `cmwq` | `false` |
/// | `unhandled_panic` | `"ignore"` or `"shutdown_runtime"`: what a panic in a spawned task does | `"ignore"` |
/// | `crate` | path of the `cmwq` crate as a string, for crates that re-export it | `"::cmwq"` |
///
/// So `#[cmwq::main(flavor = "multi_thread", worker_threads = 4)] async fn main() { body }`
/// stands for a `fn main()` that calls
/// `cmwq::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()`, expects
/// success, and calls `block_on(async { body })` on the result.
///
/// # Compile errors
///
/// An unknown, repeated or mistyped argument, arguments that exclude each other, a function that
/// is not `async`, and a `main` with arguments are errors that point at the mistake.
///
/// # Panics
///
/// The function panics with "Failed building the Runtime" and the reason when the runtime cannot
/// be built.
///
/// # Differences from tokio
///
/// `unhandled_panic` is accepted with both flavors and without an unstable flag. The flavor
/// `local` and the argument `name` do not exist. Arguments of the function are dropped with the
/// body, before the runtime, as those of an `async fn` are; tokio drops them after it.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Main, args.into(), item.into()).into()
}

/// Runs an `async fn` as a unit test, each on a runtime of its own.
///
/// The annotated function becomes an ordinary function with the attribute `#[test]`; do not add
/// a second one. `#[should_panic]`, `#[ignore]` and other attributes are kept, and so is a
/// `Result` as return type.
///
/// # Arguments
///
/// Those of [`main`](macro@main), except that `flavor` is `"current_thread"` by default. A test
/// that wants several cores says `#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]`.
/// With `start_paused = true` the clock stands still and jumps to the next timer whenever
/// nothing can run.
///
/// # Compile errors
///
/// Those of [`main`](macro@main), and a second `#[test]` on the same function.
///
/// # Panics
///
/// As [`main`](macro@main): the test fails when the runtime cannot be built.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Test, args.into(), item.into()).into()
}
