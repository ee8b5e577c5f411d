//! The same work on cmwq and on its rivals, in one run.
//!
//! `cargo run --release -p cmwq-benches -- [CASE|RUNTIME ...]`; the folder's README says what each
//! case does and what was measured.
//!
//! How it is measured: what is compared runs in turns (one run of each contender of a row, then the
//! next run of each), because machines get faster and slower over minutes, and each run has a
//! process of its own. A table shows medians; a ratio is the median of the ratios run by run, so
//! that both sides of each saw the same machine. Each run checks its own work, and one whose check
//! fails gives no figure.
//!
//! - [`cases`]: the questions, each in a file; [`case`]: what a case is; [`micro`]: the small pieces
//!   of work that criterion measures too.
//! - [`contender`] and [`runtimes`]: who is compared, under one face.
//! - [`runner`] and [`child`]: the order of the runs and the processes that make them.
//! - [`load`]: servers and their client. [`measure`]: time, counters, statistics.
//! - [`report`]: tables, `results.json`, charts, what was promised and missed.
//! - [`instructions`]: counts that repeat exactly.

#![allow(missing_docs, reason = "a program in the shape of a library, for its benches/")]

pub mod blocks;
pub mod case;
pub mod cases;
pub mod child;
pub mod cli;
pub mod contender;
pub mod instructions;
pub mod load;
pub mod measure;
pub mod micro;
pub mod report;
pub mod runner;
pub mod runtimes;

/// Errors that only ever end a run: the message says it all.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// Of the whole program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[global_allocator]
static ALLOCATOR: measure::alloc::Counting = measure::alloc::Counting;
