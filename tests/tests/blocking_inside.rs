//! Blocks in user code that is not a poll: drops, wakers, a tracing subscriber. The runtime must
//! count that as user code too, and hold nothing of its own meanwhile.

use cmwq_tests::beside::beside_block_in;
use cmwq_tests::{Block, every_case, places};

every_case! {
    fn drop_of_a_future(case) {
        beside_block_in(case, Block::pipe(), |rt, enter| places::future_drop(rt, enter));
    }

    fn drop_of_an_aborted_future(case) {
        beside_block_in(case, Block::pipe(), |rt, enter| places::aborted_drop(rt, enter));
    }

    fn drop_of_an_output(case) {
        beside_block_in(case, Block::pipe(), |rt, enter| places::output_drop(rt, enter));
    }

    fn waker_of_a_join_handle(case) {
        beside_block_in(case, Block::pipe(), |rt, enter| places::join_waker(rt, enter));
    }

    fn waker_of_a_timer(case) {
        beside_block_in(case, Block::pipe(), |rt, enter| places::timer_waker(rt, enter));
    }

    fn waker_of_a_socket(case) {
        beside_block_in(case, Block::pipe(), |rt, enter| places::socket_waker(rt, enter));
    }
}
