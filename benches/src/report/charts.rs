//! A chart for each case: every row's first figure, each contender over tokio (or over whoever comes
//! first in the row), on a logarithmic scale, since what is compared differs by orders of magnitude.

use std::path::Path;

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{Result, contender::Contender, runner::CaseResults};

const WIDTH: u32 = 1000;
const BAR: i32 = 15;
const LABELS: i32 = 300;
/// From its end to the right edge there is room for a number.
const PLOT: i32 = 560;
const TOP: i32 = 60;
const FONT: &str = "sans-serif";

/// A row's bars: label, then contender and ratio.
type Group = (String, Vec<(Contender, f64)>);

pub fn write(path: &Path, case: &CaseResults) -> Result<()> {
    let groups = groups(case);
    if groups.is_empty() {
        return Ok(());
    }
    let mut svg = String::new();
    draw(&mut svg, case, &groups).map_err(|error| format!("cannot draw a chart ({error})"))?;
    Ok(std::fs::write(path, svg)?)
}

fn groups(case: &CaseResults) -> Vec<Group> {
    let mut groups = Vec::new();
    for measured in &case.rows {
        let Some(figure) = measured.row.figures.first() else { continue };
        let there = measured.outcomes.iter().map(|it| it.contender);
        let there: Vec<_> = there.filter(|it| measured.runs(*it, *figure).median() > 0.0).collect();
        let Some(base) = there.first().copied() else { continue };
        let bars = there.iter().map(|it| (*it, measured.ratio(*it, base, *figure).median()));
        let label = format!("{}: {} over {base}", measured.row.name, figure.name);
        groups.push((label, bars.collect()));
    }
    groups
}

fn draw(
    svg: &mut String,
    case: &CaseResults,
    groups: &[Group],
) -> Result<(), Box<dyn std::error::Error>> {
    let bars: usize = groups.iter().map(|(_, bars)| bars.len()).sum();
    let height = TOP + BAR * (bars + 2 * groups.len()) as i32 + 10;
    let root = SVGBackend::with_string(svg, (WIDTH, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32, bold: bool| {
        let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
        (FONT, size, style).into_text_style(&root)
    };
    let title = format!("{}: {}", case.case.name(), case.case.about());
    root.draw_text(&title, &text(18, true), (10, 12))?;

    let values = || groups.iter().flat_map(|(_, bars)| bars).map(|(_, ratio)| *ratio);
    let (low, high) = (values().fold(0.5, f64::min), values().fold(2.0, f64::max));
    let x = |ratio: f64| LABELS + ((ratio / low).ln() / (high / low).ln() * f64::from(PLOT)) as i32;
    root.draw(&PathElement::new([(x(1.0), TOP - 6), (x(1.0), height - 8)], BLACK.mix(0.4)))?;

    let right = text(13, false).pos(Pos::new(HPos::Right, VPos::Center));
    let left = text(13, false).pos(Pos::new(HPos::Left, VPos::Center));
    let mut y = TOP;
    for (label, bars) in groups {
        root.draw_text(label, &text(14, true), (10, y - 4))?;
        y += BAR;
        for (contender, ratio) in bars {
            let (from, to) = (x(1.0).min(x(*ratio)), x(1.0).max(x(*ratio)).max(x(1.0) + 1));
            let bar =
                Rectangle::new([(from, y + 1), (to, y + BAR - 1)], colour(*contender).filled());
            root.draw(&bar)?;
            root.draw_text(contender.name(), &right, (LABELS - 8, y + BAR / 2))?;
            root.draw_text(&format!("{ratio:.2}"), &left, (to + 4, y + BAR / 2))?;
            y += BAR;
        }
        y += BAR;
    }
    root.present()?;
    Ok(())
}

/// One for each runtime.
fn colour(contender: Contender) -> RGBColor {
    match contender.runtime() {
        "cmwq" => RGBColor(46, 125, 90),
        "tokio" => RGBColor(203, 65, 59),
        "smol" => RGBColor(222, 165, 52),
        _ => RGBColor(110, 110, 130),
    }
}
