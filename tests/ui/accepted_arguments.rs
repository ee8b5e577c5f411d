//! Every argument, on functions that are not `main` and have arguments.

#[cmwq::main(flavor = "multi_thread", worker_threads = 2, crate = "::cmwq")]
async fn multi(left: u32, right: &str) -> usize {
    left as usize + right.len()
}

#[cmwq::main(flavor = "current_thread", unhandled_panic = "ignore")]
async fn single<T: Clone>(value: &T) -> T {
    value.clone()
}

#[cmwq::main(unhandled_panic = "shutdown_runtime", worker_threads = 1)]
async fn explicit_unit() -> () {}

#[cmwq::main(flavor = "current_thread", start_paused = true)]
async fn paused() -> impl Iterator<Item = u32> {
    0..3
}

mod reexport {
    pub use cmwq as runtime_crate;
}

#[cmwq::main(crate = "crate::reexport::runtime_crate")]
async fn elsewhere() {}

struct Service(u32);

impl Service {
    #[cmwq::main(flavor = "current_thread")]
    async fn run(&mut self, by: u32) -> &u32 {
        self.0 += by;
        &self.0
    }
}

fn main() {
    assert_eq!(multi(1, "ab"), 3);
    assert_eq!(single(&"x".to_string()), "x");
    explicit_unit();
    assert_eq!(paused().sum::<u32>(), 3);
    elsewhere();
    assert_eq!(*Service(1).run(2), 3);
}
