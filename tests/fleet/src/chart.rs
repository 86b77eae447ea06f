//! The load over time, for the terminal.

use std::fmt::Write;

/// Columns of the longest bar.
const WIDTH: u64 = 60;

/// A line for each second: its load as a number and as a bar, and what `mark` says of it.
#[must_use]
pub fn text(load: &[u64], mark: impl Fn(usize) -> &'static str) -> String {
    let most = load.iter().copied().max().unwrap_or_default().max(1);
    let mut text = String::from("second  refreshes\n");
    for (second, &count) in load.iter().enumerate() {
        let bar = "█".repeat((count * WIDTH).div_ceil(most) as usize);
        // Infallible: it is written into a String.
        let _ = writeln!(text, "{second:6}  {count:9}  {bar} {}", mark(second));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_a_line_and_the_busiest_the_longest_bar() {
        let text = text(&[1, 60, 0], |second| if second == 2 { "the end" } else { "" });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1].trim_end(), "     0          1  █");
        assert_eq!(lines[2].matches('█').count(), 60);
        assert_eq!(lines[3], "     2          0   the end");
    }
}
