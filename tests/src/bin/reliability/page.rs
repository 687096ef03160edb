//! The page on which the figures stand.

use std::{fs, path::Path};

use anyhow::Context;

/// Writes both tables into `docs/reliability.md`, in place of those that stand there, and the command that made them.
pub(crate) fn write(command: &str, figures: &str, mutants: &str) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
    let page = fs::read_to_string(&path).context("docs/reliability.md")?;
    let figures = format!("```console\n$ {command}\n```\n\n{figures}");
    let page = replaced(&page, "figures", &figures)?;
    let page = replaced(&page, "mutants", mutants)?;
    fs::write(&path, page).context("docs/reliability.md")
}

/// The page with this text between the two marks of this name.
fn replaced(page: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let marks = page.split_once(open.as_str()).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(close.as_str())?;
        Some((before, after))
    });
    let (before, after) = marks.with_context(|| format!("the page lacks {open} and {close}"))?;
    Ok(format!("{before}{open}\n\n{}\n\n{close}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced() {
        let page = "# A\n<!-- a -->\nold\n<!-- /a -->\nrest\n";
        let new = replaced(page, "a", "| new |\n").unwrap();
        assert_eq!(new, "# A\n<!-- a -->\n\n| new |\n\n<!-- /a -->\nrest\n");
        assert_eq!(replaced(&new, "a", "| new |").unwrap(), new);
        assert!(replaced(page, "b", "").is_err());
    }
}
