//! A function that does not return.

#[cmwq::main(flavor = "current_thread")]
async fn main() -> ! {
    std::process::exit(0)
}
