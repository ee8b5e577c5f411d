//! What a case is.

use crate::Result;

/// From the command line, for all cases.
pub struct Options {
    /// Shorter runs.
    pub quick: bool,
    /// Interleaved runs.
    pub runs: usize,
    /// Worker threads; for cmwq cores.
    pub cores: usize,
}

impl Options {
    /// The usual length of something, or the one of a quick run.
    pub fn pick<T>(&self, usual: T, quick: T) -> T {
        if self.quick { quick } else { usual }
    }
}

/// One question, one subcommand, one file in `cases`.
pub trait Case: Sync {
    /// The subcommand.
    fn name(&self) -> &'static str;
    /// One line of help.
    fn about(&self) -> &'static str;
    /// Measures and prints.
    fn run(&self, options: &Options) -> Result<()>;
}

/// Runs one with a heading.
pub fn run(case: &dyn Case, options: &Options) -> Result<()> {
    println!("{}: {}", case.name(), case.about());
    case.run(options)?;
    println!();
    Ok(())
}
