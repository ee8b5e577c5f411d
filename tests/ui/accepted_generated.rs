//! Functions that a `macro_rules!` macro writes.

macro_rules! function {
    ($(#[$attr:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $output:ty $body:block) => {
        $(#[$attr])*
        async fn $name($($arg: $ty),*) -> $output $body
    };
}

macro_rules! function_around {
    ($name:ident, $value:expr) => {
        #[cmwq::main(flavor = "current_thread")]
        async fn $name() -> u32 {
            let value = $value;
            value
        }
    };
}

function! {
    #[cmwq::main(flavor = "current_thread")]
    double(number: u32) -> u32 { number * 2 }
}

function_around!(four, 4);

function! {
    #[cmwq::test]
    is_four() -> Result<(), u32> {
        match four() {
            4 => Ok(()),
            other => Err(other),
        }
    }
}

fn main() {
    assert_eq!(double(four()), 8);
}
