//! What is accepted, what is refused, and at which word the error points.

use super::*;
use quote::quote;

/// The message and the source text of every error that `source` gives.
fn errors(kind: Kind, source: &str) -> Vec<(String, String)> {
    let tokens = source.parse().unwrap();
    let error = Args::parse(kind, tokens).err().expect("the arguments were accepted");
    error
        .into_iter()
        .map(|error| (error.to_string(), error.span().source_text().unwrap_or_default()))
        .collect()
}

/// Expects one error at `place` whose message contains `message`.
#[track_caller]
fn refused(kind: Kind, source: &str, place: &str, message: &str) {
    let errors = errors(kind, source);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].1, place, "{errors:?}");
    assert!(errors[0].0.contains(message), "{errors:?}");
}

#[test]
fn defaults() {
    let main = Args::parse(Kind::Main, TokenStream::new()).unwrap();
    assert_eq!(main.flavor, Flavor::MultiThread);
    assert!(main.worker_threads.is_none());
    assert!(main.start_paused.is_none());
    assert!(main.unhandled_panic.is_none());
    assert!(main.crate_path.is_none());

    let test = Args::parse(Kind::Test, TokenStream::new()).unwrap();
    assert_eq!(test.flavor, Flavor::CurrentThread);
}

#[test]
fn every_argument() {
    let args = Args::parse(
        Kind::Test,
        quote!(flavor = "multi_thread", worker_threads = 3, crate = "a::cmwq",),
    )
    .unwrap();
    assert_eq!(args.flavor, Flavor::MultiThread);
    assert_eq!(args.worker_threads.unwrap().value, 3);
    assert_eq!(args.crate_path.unwrap().segments.len(), 2);

    let args = Args::parse(
        Kind::Main,
        quote!(flavor = "current_thread", start_paused = true, unhandled_panic = "ignore"),
    )
    .unwrap();
    assert_eq!(args.flavor, Flavor::CurrentThread);
    assert!(args.start_paused.unwrap().value);
    assert_eq!(args.unhandled_panic.unwrap().value, UnhandledPanic::Ignore);

    let args = Args::parse(Kind::Main, quote!(unhandled_panic = "shutdown_runtime")).unwrap();
    assert_eq!(args.unhandled_panic.unwrap().value, UnhandledPanic::ShutdownRuntime);
}

#[test]
fn crate_paths() {
    for path in ["crate", "self", "super::cmwq", "::cmwq", "cmwq", "a::b::c"] {
        assert!(Args::parse(Kind::Main, quote!(crate = #path)).is_ok(), "{path}");
    }
    refused(Kind::Main, r#"crate = "a b""#, r#""a b""#, "a path in quotes");
    refused(Kind::Main, r#"crate = """#, r#""""#, "a path in quotes");
    refused(Kind::Main, "crate = cmwq", "cmwq", "a path in quotes");
}

#[test]
fn unknown_names() {
    refused(Kind::Main, "threads = 2", "threads", "unknown `threads`: `flavor`, `worker_threads`");
    refused(Kind::Main, "threads", "threads", "unknown `threads`");
    refused(Kind::Main, "2", "2", "expected `name = value`");
}

#[test]
fn missing_values() {
    refused(Kind::Main, "flavor", "flavor", "`flavor` needs a value");
    refused(Kind::Main, "worker_threads = ", "worker_threads", "needs a value");
    refused(Kind::Main, "flavor = , worker_threads = 1", "flavor", "needs a value");
    refused(Kind::Main, "worker_threads(2)", "worker_threads", "needs a value");
    refused(Kind::Main, "crate", "crate", "`crate` needs a value");
    refused(Kind::Main, "start_paused", "start_paused", "needs a value");
    refused(Kind::Main, "unhandled_panic", "unhandled_panic", "needs a value");
    refused(Kind::Main, "current_thread", "current_thread", "`flavor = \"current_thread\"`");
}

#[test]
fn wrong_types() {
    refused(Kind::Main, "flavor = multi_thread", "multi_thread", FLAVOR);
    refused(Kind::Main, r#"worker_threads = "2""#, r#""2""#, WORKER_THREADS);
    refused(Kind::Main, "worker_threads = 1 + 1", "1 + 1", WORKER_THREADS);
    refused(Kind::Main, "worker_threads = -1", "-1", WORKER_THREADS);
    refused(Kind::Test, "start_paused = 1", "1", START_PAUSED);
    refused(Kind::Main, "unhandled_panic = true", "true", UNHANDLED_PANIC);
}

#[test]
fn wrong_values() {
    refused(Kind::Main, "worker_threads = 0", "0", WORKER_THREADS);
    let huge = "99999999999999999999999";
    refused(Kind::Main, &format!("worker_threads = {huge}"), huge, WORKER_THREADS);
    refused(Kind::Main, r#"flavor = "local""#, r#""local""#, "unknown flavor \"local\"");
    refused(Kind::Main, r#"unhandled_panic = "abort""#, r#""abort""#, "unknown panic behavior");
}

#[test]
fn duplicates() {
    refused(
        Kind::Main,
        "worker_threads = 1, worker_threads = 2",
        "worker_threads",
        "`worker_threads` is given twice",
    );
}

#[test]
fn arguments_that_exclude_each_other() {
    refused(
        Kind::Test,
        "worker_threads = 2",
        "worker_threads",
        "`#[cmwq::test(flavor = \"multi_thread\", worker_threads = 2)]`",
    );
    refused(
        Kind::Main,
        "start_paused = true",
        "start_paused",
        "`#[cmwq::main(flavor = \"current_thread\", start_paused = true)]`",
    );
}

#[test]
fn independent_errors_are_all_reported() {
    let errors = errors(Kind::Main, "threads = 2, worker_threads = 0, start_paused = true");
    let places: Vec<&str> = errors.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(places, ["threads", "0", "start_paused"]);
}

#[test]
fn a_mistyped_flavor_is_one_error() {
    refused(
        Kind::Test,
        r#"flavor = "multithread", worker_threads = 2"#,
        r#""multithread""#,
        "unknown flavor",
    );
}
