//! The table.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use crate::{
    args::Plan,
    load::{PING_EVERY, PINGERS},
    rounds::Outcome,
};

pub fn print(outcomes: &[Outcome], plan: &Plan, in_memory: bool) {
    println!("{}", table(outcomes));
    println!(
        "{} worker threads; {} x {:?} for each variant, in turn; {} clients on each of four blocking \
         paths,\n{PINGERS} that ping every {PING_EVERY:?}, 8 tickers of 1 ms. tokio's timers count \
         in whole milliseconds.",
        plan.workers, plan.rounds, plan.measured, plan.clients
    );
    for outcome in outcomes {
        if !outcome.note.is_empty() {
            println!("{}: {} in the last round.", outcome.variant, outcome.note);
        }
        if let Some(error) = &outcome.seen.error {
            println!("{}: {} errors, the first: {error}", outcome.variant, outcome.seen.errors);
        }
    }
    if in_memory {
        println!(
            "The database is in memory, so reads and fsync do not block: give a folder on a disk \
             by --dir PATH."
        );
    }
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    let mut row = |name: &str, value: &dyn Fn(&Outcome) -> String| {
        let values = outcomes.iter().map(value);
        table.add_row(std::iter::once(name.to_owned()).chain(values));
    };
    row("", &|o| o.variant.to_string());
    row("/ping per second", &|o| per_second(o, o.seen.pings.count()));
    row("/ping p50", &|o| ms(o.seen.pings.quantile(0.5)));
    row("/ping p99", &|o| ms(o.seen.pings.quantile(0.99)));
    row("/ping max", &|o| ms(o.seen.pings.quantile(1.0)));
    row("queries per second", &|o| per_second(o, o.seen.queries.count()));
    row("queries p50", &|o| ms(o.seen.queries.quantile(0.5)));
    row("queries p99", &|o| ms(o.seen.queries.quantile(0.99)));
    row("queries max", &|o| ms(o.seen.queries.quantile(1.0)));
    row("1 ms tickers late p50", &|o| ms(o.lateness.quantile(0.5)));
    row("1 ms tickers late p99", &|o| ms(o.lateness.quantile(0.99)));
    row("CPU time", &|o| format!("{:.2} s", o.cpu.as_secs_f64()));
    row("CPU time per query", &|o| ms(o.cpu.div_f64(o.seen.queries.count().max(1) as f64)));
    row("threads, peak", &|o| o.peak_threads.to_string());
    row("errors", &|o| o.seen.errors.to_string());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn per_second(outcome: &Outcome, count: u64) -> String {
    format!("{:.0}", count as f64 / outcome.measured.as_secs_f64())
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}
