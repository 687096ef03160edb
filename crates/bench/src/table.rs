//! Tables in Markdown.

/// A table of these rows, as wide as its widest cells; numbers are aligned to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|name| name.chars().count())).max().unwrap_or(0).max(3)
    };
    let is_number = |column: usize| rows.iter().filter_map(|row| row.get(column)).all(|cell| is_number(cell));
    let widths: Vec<(usize, bool)> = (0..head.len()).map(|column| (width(column), is_number(column))).collect();
    let rule: Vec<String> = widths
        .iter()
        .map(|(width, right)| if *right { format!("{}:", "-".repeat(width - 1)) } else { "-".repeat(*width) })
        .collect();
    let mut text = line(head.iter().copied(), &widths) + &line(rule.iter().map(String::as_str), &widths);
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    text
}

/// A number and perhaps its unit, or that there is none.
fn is_number(cell: &str) -> bool {
    let begins = cell.starts_with(|first: char| first.is_ascii_digit() || first == '~');
    ["", "–"].contains(&cell) || begins && cell.split(' ').count() <= 2
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[(usize, bool)]) -> String {
    let cells = cells
        .zip(widths.iter().copied())
        .map(|(cell, (width, right))| if right { format!(" {cell:>width$} ") } else { format!(" {cell:<width$} ") });
    format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
}

/// A number with its thousands parted: `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The middle one; of an even number the mean of the two in the middle; none of none.
pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    if numbers.len() % 2 == 1 {
        return Some(upper);
    }
    numbers.get(numbers.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let rows = [vec!["creator".to_owned(), "1.02".to_owned()], vec!["c7n".to_owned(), "~12".to_owned()]];
        assert_eq!(
            table(&["what", "n"], &rows),
            "| what    |    n |\n| ------- | ---: |\n| creator | 1.02 |\n| c7n     |  ~12 |\n"
        );
    }

    #[test]
    fn thousands_are_parted() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 9.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
    }
}
