//! Blocks of every kind in a task of a one-core runtime: timers and sockets of that core go on.

use cmwq_tests::{Block, beside_block, every_case, skip};

every_case! {
    fn sleep(case) { beside_block(case, Block::sleep()); }

    fn pipe_read(case) { beside_block(case, Block::pipe()); }

    fn std_mutex(case) { beside_block(case, Block::mutex()); }

    fn condvar(case) { beside_block(case, Block::condvar()); }

    fn std_channel(case) { beside_block(case, Block::channel()); }

    fn leased_file(case) { beside_block(case, Block::leased_file()); }

    fn file_read(case) { beside_block(case, Block::file_read()); }

    fn fsync(case) { beside_block(case, Block::fsync()); }

    fn flock(case) { beside_block(case, Block::flock()); }

    fn fifo_open(case) { beside_block(case, Block::fifo_open()); }

    fn child_wait(case) { beside_block(case, Block::child_wait()); }

    fn vfork(case) { beside_block(case, Block::vfork()); }

    fn accept(case) { beside_block(case, Block::accept()); }

    fn holding_stdout(case) { beside_block(case, Block::pipe().holding_stdout()); }

    fn page_fault(case) {
        match Block::page_fault() {
            Ok(block) => beside_block(case, block),
            Err(e) => skip("page fault that sleeps", format_args!("userfaultfd: {e}")),
        }
    }
}
