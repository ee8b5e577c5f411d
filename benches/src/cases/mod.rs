//! The cases. A new one is a file here and a line in [`ALL`].

mod detect;
mod idle;
mod memory;
mod mix;
mod spawn;
mod timers;

use crate::case::Case;

/// In the order of the help.
pub const ALL: [&dyn Case; 6] =
    [&mix::Mix, &timers::Timers, &detect::Detect, &memory::Memory, &idle::Idle, &spawn::Spawn];
