//! The chart: one group of bars for each figure, one bar for each variant, logarithmic.

use std::{fs::OpenOptions, path::Path, time::Duration};

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{Result, rounds::Outcome};

const SIZE: (u32, u32) = (900, 430);
const COLOURS: [RGBColor; 3] =
    [RGBColor(203, 65, 59), RGBColor(222, 165, 52), RGBColor(46, 125, 90)];
/// Milliseconds.
const LOWEST: f64 = 0.01;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Figure = (&'static str, fn(&Outcome) -> Duration);

const FIGURES: [Figure; 6] = [
    ("/ping p50", |o| o.seen.pings.quantile(0.5)),
    ("/ping p99", |o| o.seen.pings.quantile(0.99)),
    ("/ping max", |o| o.seen.pings.quantile(1.0)),
    ("ticker late p50", |o| o.lateness.quantile(0.5)),
    ("ticker late p99", |o| o.lateness.quantile(0.99)),
    ("queries p99", |o| o.seen.queries.quantile(0.99)),
];

/// Fails now when [`write()`] would fail later.
pub fn check_writable(path: &Path) -> Result<()> {
    let existed = path.exists();
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|_| if existed { Ok(()) } else { std::fs::remove_file(path) })
        .map_err(|error| cannot_write(path, error))
}

pub fn write(path: &Path, outcomes: &[Outcome]) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg, outcomes).map_err(|error| cannot_write(path, error))?;
    std::fs::write(path, svg).map_err(|error| cannot_write(path, error))
}

fn cannot_write(path: &Path, error: impl std::fmt::Display) -> crate::Error {
    format!("cannot write the chart {} ({error}): give another place by --svg PATH", path.display())
        .into()
}

fn draw(svg: &mut String, outcomes: &[Outcome]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = "One server, blocking handlers, three runtimes: latency in ms";
    let (legend, plot) =
        root.margin(8, 0, 0, 0).titled(title, ("sans-serif", 20))?.split_vertically(26);
    draw_legend(&legend, outcomes)?;
    let highest = FIGURES
        .iter()
        .flat_map(|(_, figure)| outcomes.iter().map(|o| milliseconds(figure(o))))
        .fold(10.0, f64::max);
    let mut chart =
        ChartBuilder::on(&plot)
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..FIGURES.len() as f64, (LOWEST..highest * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(WHITE)
        .y_label_formatter(&|ms| format!("{ms}"))
        .label_style(("sans-serif", 13))
        .draw()?;

    let width = 0.8 / outcomes.len() as f64;
    for (i, outcome) in outcomes.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let bars = FIGURES.iter().enumerate().map(|(group, (_, figure))| {
            let left = group as f64 + 0.1 + width * i as f64;
            let top = milliseconds(figure(outcome));
            (left, top)
        });
        chart.draw_series(bars.clone().map(|(left, top)| {
            Rectangle::new([(left, LOWEST), (left + width * 0.94, top)], colour.filled())
        }))?;
        let above = centred(("sans-serif", 12), VPos::Bottom);
        chart.draw_series(bars.map(|(left, top)| {
            Text::new(short(top), (left + width * 0.47, top * 1.06), above.clone())
        }))?;
    }
    // The names of the groups, below the axis.
    let (left, _) = chart.plotting_area().get_base_pixel();
    let pixels = chart.plotting_area().dim_in_pixel();
    let below = centred(("sans-serif", 14), VPos::Top);
    for (group, (name, _)) in FIGURES.iter().enumerate() {
        let x = left + (pixels.0 as f64 * (group as f64 + 0.5) / FIGURES.len() as f64) as i32;
        root.draw(&Text::new(*name, (x, SIZE.1 as i32 - 32), below.clone()))?;
    }
    root.present()?;
    Ok(())
}

fn draw_legend(area: &Area<'_>, outcomes: &[Outcome]) -> Result<(), Box<dyn std::error::Error>> {
    let part = area.dim_in_pixel().0 as i32 / outcomes.len() as i32;
    for (i, outcome) in outcomes.iter().enumerate() {
        let x = part * i as i32 + 60;
        let colour = COLOURS[i % COLOURS.len()];
        area.draw(&Rectangle::new([(x, 8), (x + 12, 20)], colour.filled()))?;
        let name = outcome.variant.to_string();
        area.draw(&Text::new(name, (x + 18, 7), ("sans-serif", 14)))?;
    }
    Ok(())
}

fn centred(font: (&'static str, i32), vertical: VPos) -> TextStyle<'static> {
    TextStyle::from(font.into_font()).pos(Pos::new(HPos::Center, vertical))
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).max(LOWEST)
}

/// Two digits that matter.
fn short(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{ms:.2}"),
        ms if ms < 10.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}
