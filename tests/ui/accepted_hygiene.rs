//! Names of the user do not meet those of the generated code.

#![allow(dead_code, non_camel_case_types)]

mod core {}
mod std {}
struct Future;
struct Some;
struct None;
struct Pin;

#[cmwq::main]
async fn main() {
    let answer = with_names(1, 2).await_free();
    assert_eq!(answer, 3);
}

struct Sum(u32);

impl Sum {
    fn await_free(self) -> u32 {
        self.0
    }
}

#[cmwq::main(flavor = "current_thread")]
async fn with_names(body: u32, value: u32) -> Sum {
    Sum(body + value)
}

#[cmwq::test]
async fn test_with_names() {
    let (body, value) = (1, 2);
    assert_eq!(body + value, 3);
}
