//! Tables, on the terminal and in Markdown.

use comfy_table::{
    CellAlignment, Table,
    presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Terminal,
    Markdown,
}

/// All columns but the first so many are numbers.
pub fn format(style: Style, words: usize, head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(match style {
        Style::Terminal => UTF8_FULL_CONDENSED,
        Style::Markdown => ASCII_MARKDOWN,
    });
    table.set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Three digits and a unit: `1.23 M`; a dash for what is no number, as the ratio of two zeros.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "-".into();
    }
    let (value, unit) = match value.abs() {
        size if size >= 999.5e3 => (value / 1e6, " M"),
        size if size >= 9_999.5 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.095 || size == 0.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn three_digits_and_a_unit() {
        let shown = [0.0, 0.0123, 1.0, 12.34, 123.4, 9_999.0, 12_345.0, 1_234_567.0].map(short);
        assert_eq!(shown, ["0.00", "0.0123", "1.00", "12.3", "123", "9999", "12.3 k", "1.23 M"]);
    }
}
