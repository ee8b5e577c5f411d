//! The three ways to write the server.

use std::fmt;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Variant {
    TokioInTask,
    TokioSpawnBlocking,
    Cmwq,
}

impl Variant {
    pub const ALL: [Variant; 3] =
        [Variant::TokioInTask, Variant::TokioSpawnBlocking, Variant::Cmwq];

    /// The value of `--variant`.
    pub fn flag(self) -> &'static str {
        match self {
            Variant::TokioInTask => "tokio-in-task",
            Variant::TokioSpawnBlocking => "tokio-spawn-blocking",
            Variant::Cmwq => "cmwq",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Variant::TokioInTask => "tokio, blocking in tasks",
            Variant::TokioSpawnBlocking => "tokio, spawn_blocking",
            Variant::Cmwq => "cmwq, blocking in tasks",
        })
    }
}
