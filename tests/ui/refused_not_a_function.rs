//! Items that are not functions, and a function without a body.

#[cmwq::main]
struct Main;

trait Service {
    #[cmwq::main]
    async fn run();
}

fn main() {
    let _ = Main;
}
