//! Which criterion a line of a test belongs to, as its comments say.

use chimera_core::limits;

/// The criteria around a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Criteria {
    /// Those that the line was about to show.
    pub(super) at: Vec<u32>,
    /// Those that the same test had shown before.
    pub(super) before: Vec<u32>,
}

/// The criteria around a line (from 1) of a test file. A comment `criterion N` counts for what follows it, up to the
/// next one or the next test; comments directly below each other share what follows.
pub(super) fn criteria(test: &[u8], line: u32) -> Criteria {
    let text = String::from_utf8_lossy(test);
    let above: Vec<&str> = text.lines().take(line as usize).collect();
    let begin = above.iter().rposition(|line| begins_test(line)).unwrap_or(0);
    let marks: Vec<(usize, u32)> =
        above.iter().enumerate().skip(begin).filter_map(|(index, line)| Some((index, mark(line)?))).collect();
    let Some(mut first) = marks.len().checked_sub(1) else { return Criteria::default() };
    while first > 0 && marks[first - 1].0 + 1 == marks[first].0 {
        first -= 1;
    }
    let numbers = |marks: &[(usize, u32)]| {
        let mut numbers: Vec<u32> = marks.iter().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let at = numbers(&marks[first..]);
    let before = numbers(&marks[..first]).into_iter().filter(|number| !at.contains(number)).collect();
    Criteria { at, before }
}

/// Longest line of a test that is shown, in bytes.
const STATEMENT_BYTES: usize = 300;

/// What stands in a line (from 1) of a test file.
pub(super) fn statement(test: &[u8], line: u32) -> Option<String> {
    let text = String::from_utf8_lossy(test);
    let mut line = text.lines().nth((line as usize).checked_sub(1)?)?.trim().to_owned();
    limits::truncate(&mut line, STATEMENT_BYTES);
    Some(line)
}

fn begins_test(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("def ") || line.starts_with("test(")
}

/// The number of a comment such as `# criterion 3: the title` or `// criterion 3`.
fn mark(line: &str) -> Option<u32> {
    let line = line.trim_start();
    let comment = ["#", "//", "/*", "*"].into_iter().find_map(|mark| line.strip_prefix(mark))?;
    let comment = comment.trim_start_matches(['*', ' ', '\t']);
    let (word, rest) = comment.split_at_checked("criterion".len())?;
    let rest = word.eq_ignore_ascii_case("criterion").then(|| rest.trim_start())?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Criteria, criteria};

    const TEST: &str = "def test_one(page):
    # criterion 1: the page
    page.goto(\"/\")

def test_two(page):
    # setting the scene
    page.goto(\"/\")
    # criterion 2
    expect(page).to_have_title(\"a\")
    #criterion 3: both
    # Criterion 4
    expect(page).to_have_title(\"b\")
";

    fn at(line: u32) -> (Vec<u32>, Vec<u32>) {
        let Criteria { at, before } = criteria(TEST.as_bytes(), line);
        (at, before)
    }

    #[test]
    fn a_line_belongs_to_the_comments_above_it_in_its_test() {
        assert_eq!(at(3), (vec![1], vec![]));
        assert_eq!(at(7), (vec![], vec![]), "before the first comment of its test");
        assert_eq!(at(9), (vec![2], vec![]));
        assert_eq!(at(12), (vec![3, 4], vec![2]));
    }

    #[test]
    fn comments_of_typescript_count_too() {
        let test = "test('a', async () => {\n  // criterion 1\n  a();\n  /* criterion 2 */\n  b();\n});";
        assert_eq!(criteria(test.as_bytes(), 5), Criteria { at: vec![2], before: vec![1] });
    }
}
