//! The load on the server over time, for the terminal and as a picture.

use std::fmt::Write;

use crate::sim::{COLUMN, Outage, Totals};

/// From nothing to all of a line.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const WIDTH: usize = 80;
const LINES: usize = 6;

/// Refreshes per second in each of so many columns.
fn columns(totals: &Totals, width: usize) -> Vec<f64> {
    let load = &totals.load;
    let width = width.min(load.len());
    (0..width)
        .map(|column| {
            let (from, to) = (column * load.len() / width, (column + 1) * load.len() / width);
            let sum: u64 = load[from..to].iter().sum();
            sum as f64 * 1_000.0 / ((to - from) as u64 * COLUMN) as f64
        })
        .collect()
}

/// A few lines of text.
#[must_use]
pub fn text(totals: &Totals) -> String {
    let columns = columns(totals, WIDTH);
    let most = columns.iter().copied().fold(0.0, f64::max);
    let mut text = String::new();
    for line in (0..LINES).rev() {
        let mark = if line == LINES - 1 { format!("{most:7.1}/s ") } else { " ".repeat(10) };
        text.push_str(&mark);
        for column in &columns {
            let filled = column / most.max(f64::MIN_POSITIVE) * (LINES * 8) as f64 - (line * 8) as f64;
            text.push(BLOCKS[filled.round().clamp(0.0, 8.0) as usize]);
        }
        text.push('\n');
    }
    let hours = (totals.load.len() as u64 * COLUMN) as f64 / 3_600_000.0;
    let end = format!("{hours:.1} h");
    // Infallible: it is written into a String.
    let _ = writeln!(text, "{:10}0{end:>width$}", "", width = columns.len().saturating_sub(1).max(end.len()));
    text
}

/// The same as SVG, with the outages shaded.
#[must_use]
pub fn svg(totals: &Totals, outages: &[Outage]) -> String {
    const HEIGHT: f64 = 240.0;
    let columns = columns(totals, 960);
    let most = columns.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let length = (totals.load.len().max(1) as u64 * COLUMN) as f64;
    let wide = columns.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-60 -30 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Refreshes per second at the server</title>\n",
        wide + 80.0,
        HEIGHT + 60.0,
    );
    for outage in outages {
        let (x, w) = (outage.from as f64 / length * wide, outage.length as f64 / length * wide);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"0\" width=\"{w:.1}\" height=\"{HEIGHT}\" fill=\"#f6d5d5\"/>"
        );
    }
    let points: Vec<String> =
        columns.iter().enumerate().map(|(x, y)| format!("{x},{:.1}", HEIGHT - y / most * HEIGHT)).collect();
    let _ = write!(
        svg,
        "<polyline fill=\"none\" stroke=\"#2457a6\" points=\"{}\"/>\n\
         <path d=\"M0 0V{HEIGHT}H{wide}\" fill=\"none\" stroke=\"#333\"/>\n\
         <text x=\"-8\" y=\"10\" text-anchor=\"end\">{most:.1}/s</text>\n\
         <text x=\"0\" y=\"{y}\">0 h</text>\n\
         <text x=\"{wide}\" y=\"{y}\" text-anchor=\"end\">{:.1} h</text>\n\
         <text x=\"0\" y=\"-12\">refreshes at the server; outages are shaded</text>\n</svg>\n",
        points.join(" "),
        length / 3_600_000.0,
        y = HEIGHT + 18.0,
    );
    svg
}
