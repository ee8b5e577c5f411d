//! `main` that returns a `Result` and uses `?` and `return`.

use std::error::Error;

#[cmwq::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let number: u32 = "42".parse()?;
    if number == 42 {
        return Ok(());
    }
    Err("not 42".into())
}
