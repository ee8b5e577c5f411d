//! `#[cmwq::main]` and `#[cmwq::test]` at run time: they compose with other attributes and
//! return types, and run the body on the runtime that the arguments ask for.

use std::num::ParseIntError;
use std::process::ExitCode;

#[cmwq::test]
async fn runs_the_body() {
    let (sender, receiver) = std::sync::mpsc::channel();
    cmwq::spawn(async move { sender.send(42).unwrap() }).await.unwrap();
    assert_eq!(receiver.recv(), Ok(42));
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_on_several_cores() {
    assert_eq!(cmwq::spawn(async { 42 }).await.unwrap(), 42);
}

#[cmwq::test]
async fn returns_a_result() -> Result<(), ParseIntError> {
    let number: u32 = "42".parse()?;
    assert_eq!(number, 42);
    Ok(())
}

#[cmwq::test]
async fn returns_an_exit_code() -> ExitCode {
    ExitCode::SUCCESS
}

#[cmwq::test]
#[should_panic(expected = "expected")]
async fn panics_as_expected() {
    panic!("expected");
}

#[should_panic(expected = "expected")]
#[cmwq::test(flavor = "multi_thread")]
async fn panics_as_expected_with_the_attribute_in_front() {
    panic!("expected");
}

#[cmwq::test]
#[ignore = "never to be run"]
async fn is_ignored() {
    unreachable!("#[ignore] was lost");
}

#[cmwq::main]
async fn add(left: u32, right: u32) -> u32 {
    cmwq::spawn(async move { left + right }).await.unwrap()
}

#[test]
fn main_serves_functions_of_any_name() {
    assert_eq!(add(40, 2), 42);
    assert_eq!(add(1, 2), 3);
}

#[cmwq::main(flavor = "current_thread")]
async fn length(text: &str) -> usize {
    text.len()
}

#[test]
fn the_body_may_borrow_from_the_arguments() {
    assert_eq!(length(&String::from("four")), 4);
}

/// The error of a `main` is what `?` passed on, by way of `From`.
#[cmwq::main(flavor = "current_thread")]
async fn fallible(text: &str) -> Result<u32, Box<dyn std::error::Error>> {
    if text.is_empty() {
        return Err("empty".into());
    }
    Ok(text.parse()?)
}

#[test]
fn question_mark_and_return_work_in_the_body() {
    assert_eq!(fallible("7").unwrap(), 7);
    assert_eq!(fallible("").unwrap_err().to_string(), "empty");
    assert!(fallible("x").unwrap_err().is::<ParseIntError>());
}
