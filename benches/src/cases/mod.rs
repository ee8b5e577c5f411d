//! The cases. A new one is a file here and a line in [`ALL`].

mod blocking;
mod channels;
mod detect;
mod echo;
mod files;
mod http;
mod idle;
mod memory;
mod mix;
mod scale;
mod scheduler;
mod short;
mod timers;
mod workqueue;

use crate::case::Case;

/// In the order in which they run.
pub const ALL: [&dyn Case; 14] = [
    &scheduler::Scheduler,
    &channels::Channels,
    &timers::Timers,
    &echo::Echo,
    &http::Http,
    &files::Files,
    &blocking::Blocking,
    &short::Short,
    &scale::Scale,
    &mix::Mix,
    &detect::Detect,
    &memory::Memory,
    &idle::Idle,
    &workqueue::Workqueues,
];
