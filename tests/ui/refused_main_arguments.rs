//! `main` with arguments.

#[cmwq::main]
async fn main(name: &str, count: usize) {
    println!("{name} {count}");
}
