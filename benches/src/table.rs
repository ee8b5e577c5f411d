//! Tables on the terminal.

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

/// Prints it; all columns but the first are numbers.
pub fn print<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}

/// The value and whether it keeps a limit: `41 (31..52), <= 45 met`.
pub fn held(shown: String, value: f64, limit: Limit) -> String {
    let (sign, bound, met) = match limit {
        Limit::AtMost(bound) => ("<=", bound, value <= bound),
        Limit::AtLeast(bound) => (">=", bound, value >= bound),
        Limit::None => return shown,
    };
    format!("{shown}, {sign} {bound} {}", if met { "met" } else { "MISSED" })
}

/// What a figure is held against.
#[derive(Clone, Copy)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
    None,
}
