//! The tables of a report.

use super::{
    Report,
    table::{Style, format, short},
};
use crate::{
    case::{Better, Figure},
    contender::Contender::{self, *},
    measure::stats::{Runs, geometric_mean},
    runner::{CaseResults, Measured, Outcome},
};

/// Ours over theirs, as far as both are there.
const RATIOS: [(Contender, Contender); 16] = [
    (Cmwq, Tokio),
    (CmwqUnprivileged, Tokio),
    (CmwqUnprivileged, TokioUnprivileged),
    (Cmwq, CmwqOff),
    (CmwqUnprivileged, CmwqOff),
    (Cmwq, Smol),
    (Cmwq, TokioSpawnBlocking),
    (CmwqUnprivileged, TokioSpawnBlockingUnprivileged),
    (Cmwq, TokioBlockInPlace),
    (Cmwq, TokioFs),
    (Cmwq, Threads),
    (Cmwq, Epoll),
    (Cmwq, Go),
    (Cmwq, Monoio),
    (Cmwq, Glommio),
    (Cmwq, Compio),
];

pub fn print(report: &Report) {
    println!("{}", text(report, Style::Terminal));
}

pub fn markdown(report: &Report) -> String {
    text(report, Style::Markdown)
}

fn text(report: &Report, style: Style) -> String {
    let mut text = format!(
        "{} cores, {} runs{}: median, half the range in percent; ratios run by run\n",
        report.cores,
        report.runs,
        if report.quick { " (quick: no figures to rely on)" } else { "" }
    );
    for case in &report.cases {
        text += &format!("\n### {}\n\n{}\n\n", case.case.name(), case.case.about());
        text += &detectors(case);
        for (title, part) in [("", figures(case, style)), ("Beside", beside(case, style))] {
            if let Some(part) = part {
                let title = if title.is_empty() { String::new() } else { format!("{title}:\n\n") };
                text += &format!("{title}{part}\n\n");
            }
        }
        text += &failures(case);
    }
    text += &summary(report, style);
    text
}

/// Rows and figures against contenders and ratios.
fn figures(case: &CaseResults, style: Style) -> Option<String> {
    let contenders = columns(case, |row, contender| {
        row.row.figures.iter().any(|figure| !row.runs(contender, *figure).is_empty())
    });
    if contenders.is_empty() {
        return None;
    }
    let ratios: Vec<_> = RATIOS
        .into_iter()
        .filter(|(ours, theirs)| contenders.contains(ours) && contenders.contains(theirs))
        .collect();
    let mut head = vec![String::new(), String::new()];
    head.extend(contenders.iter().map(Contender::to_string));
    head.extend(ratios.iter().map(|(ours, theirs)| format!("{ours} / {theirs}")));
    let mut rows = Vec::new();
    for measured in &case.rows {
        for figure in measured.row.figures {
            let mut cells = vec![measured.row.name.clone(), named(*figure)];
            cells.extend(contenders.iter().map(|it| value(&measured.runs(*it, *figure))));
            cells.extend(
                ratios.iter().map(|(ours, theirs)| ratio(&measured.ratio(*ours, *theirs, *figure))),
            );
            rows.push(cells);
        }
    }
    Some(format(style, 2, head, rows))
}

fn named(figure: Figure) -> String {
    match figure.better {
        Better::More => figure.name.to_owned(),
        Better::Less => format!("{} (less is better)", figure.name),
    }
}

fn value(runs: &Runs) -> String {
    match (runs.is_empty(), runs.half_range_percent()) {
        (true, _) => "-".into(),
        (_, Some(percent)) => format!("{} ±{percent:.0}", short(runs.median())),
        (_, None) => short(runs.median()),
    }
}

fn ratio(runs: &Runs) -> String {
    if runs.is_empty() { "-".into() } else { short(runs.median()) }
}

/// Threads, switches and so on: medians, one column per contender.
fn beside(case: &CaseResults, style: Style) -> Option<String> {
    let contenders = columns(case, |row, contender| {
        outcome(row, contender).is_some_and(|it| it.samples.iter().any(|it| !it.beside.is_empty()))
    });
    let mut head = vec![String::new(), String::new()];
    head.extend(contenders.iter().map(Contender::to_string));
    let mut rows = Vec::new();
    for measured in &case.rows {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in
            measured.outcomes.iter().flat_map(|it| &it.samples).flat_map(|it| &it.beside)
        {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        for name in names {
            let mut cells = vec![measured.row.name.clone(), name.to_owned()];
            cells.extend(contenders.iter().map(|it| {
                let samples = outcome(measured, *it).map(|it| it.samples.as_slice());
                let beside = samples.unwrap_or_default().iter().flat_map(|it| &it.beside);
                ratio(&beside.filter(|(is, _)| is == name).map(|(_, value)| *value).collect())
            }));
            rows.push(cells);
        }
    }
    (!rows.is_empty()).then(|| format(style, 2, head, rows))
}

/// The contenders of a case for which a row has what is shown, in order.
fn columns(case: &CaseResults, has: impl Fn(&Measured, Contender) -> bool) -> Vec<Contender> {
    let all = Contender::ALL.into_iter();
    all.filter(|contender| case.rows.iter().any(|row| has(row, *contender))).collect()
}

fn outcome(measured: &Measured, contender: Contender) -> Option<&Outcome> {
    measured.outcomes.iter().find(|it| it.contender == contender)
}

/// Which ones were in use.
fn detectors(case: &CaseResults) -> String {
    let mut seen: Vec<String> = Vec::new();
    for outcome in case.rows.iter().flat_map(|row| &row.outcomes) {
        for detector in outcome.samples.iter().filter_map(|sample| sample.detector.as_ref()) {
            let it = format!("{} by {detector}", outcome.contender);
            if !seen.contains(&it) {
                seen.push(it);
            }
        }
    }
    if seen.is_empty() { String::new() } else { format!("Detectors: {}.\n\n", seen.join(", ")) }
}

fn failures(case: &CaseResults) -> String {
    let mut text = String::new();
    for measured in &case.rows {
        for outcome in &measured.outcomes {
            if let Some(failure) = &outcome.failure {
                let name = &measured.row.name;
                text += &format!("No figure: {name}: {}: {failure}\n\n", outcome.contender);
            }
        }
    }
    text
}

/// The geometric means of what tokio measures itself, and what was missed, the worst first.
fn summary(report: &Report, style: Style) -> String {
    let mut text = String::from("\n### Promised\n\n");
    for ours in [Cmwq, CmwqUnprivileged] {
        let own = report.verdicts.iter().filter(|it| {
            ["scheduler", "channels"].contains(&it.case)
                && it.target.ours == ours
                && it.target.against == Some(Tokio)
        });
        let mut ratios: Vec<_> = own.map(|it| it.value).collect();
        ratios.sort_by(f64::total_cmp);
        if let (Some(mean), Some(rest)) =
            (geometric_mean(&ratios), geometric_mean(&ratios[..ratios.len().saturating_sub(1)]))
        {
            text += &format!(
                "{ours} / tokio, geometric mean of tokio's own cases and channels: {mean:.2}, \
                 without the largest ratio {rest:.2} (promised: 1.3)\n\n"
            );
        }
    }
    let mut missed: Vec<_> = report.verdicts.iter().filter(|it| !it.met()).collect();
    missed.sort_by(|a, b| a.score().total_cmp(&b.score()));
    text += &format!("{} of {} are missed.\n\n", missed.len(), report.verdicts.len());
    if missed.is_empty() {
        return text;
    }
    let head = ["case", "row", "promised", "is", "of the limit", ""].map(String::from).to_vec();
    let rows = missed.into_iter().map(|verdict| {
        vec![
            verdict.case.to_owned(),
            verdict.row.clone(),
            verdict.to_string(),
            short(verdict.value),
            format!("{:.2}", verdict.score()),
            if verdict.is_noise() { "within noise".into() } else { String::new() },
        ]
    });
    text + &format(style, 3, head, rows.collect()) + "\n"
}
