//! The parts, where the public face does not reach.

use super::thread::Thread;

#[test]
fn a_long_name_keeps_the_number() {
    assert_eq!(Thread::name("stats", 2), "stats/2");
    assert_eq!(Thread::name("a-rather-long-name", 2), "a-rather-long/2");
    assert_eq!(Thread::name("a-rather-long-name", 1023), "a-rather-l/1023");
    assert_eq!(Thread::name("zählerzählerz", 17), "zählerzähl/17");
    assert_eq!(Thread::name("zählerzählerzäh", 1), "zählerzähle/1");
    assert_eq!(Thread::name("äääääää", 1), "ääääää/1", "no half of a character");
}
