//! `main` that returns an `ExitCode`.

use std::process::ExitCode;

#[cmwq::main(worker_threads = 1)]
async fn main() -> ExitCode {
    ExitCode::SUCCESS
}
