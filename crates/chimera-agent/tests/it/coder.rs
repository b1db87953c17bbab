//! The demo coder: pages keep what it does not touch, byte for byte.

use crate::fixture::write;
use chimera_agent::coder::{Applied, CoderError, apply};
use chimera_agent::criteria::parse_all;
use std::path::{Path, PathBuf};

const FRONT: &str = "<!doctype html>
<html>
<head><title>Shop</title></head>
<body>
<nav>
  <ul>
    <li><a href=\"/books.html\">Books</a></li>
  </ul>
</nav>
<main>
<h1>Hello</h1>
<p>Old   news</p>
</main>
</body>
</html>
";

fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write(dir.path(), &[("index.html", FRONT), ("books.html", "<body><main><h1>Books</h1></main></body>")]);
    dir
}

fn code(dir: &Path, criteria: &[&str]) -> Result<Applied, CoderError> {
    let criteria: Vec<String> = criteria.iter().map(ToString::to_string).collect();
    apply(dir, &parse_all(&criteria).expect("within the grammar"), "Visitors like it", "/")
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).expect("a page")
}

#[test]
fn what_is_added_stands_in_line_with_what_is_there() {
    let dir = site();
    let wanted =
        ["see heading \"Hours\"", "see text \"9 to 5\"", "see link \"Contact\"", "not see text \"Old news\""];
    let applied = code(dir.path(), &wanted).expect("possible");
    assert_eq!(applied.changed, [PathBuf::from("index.html")]);
    let expected = FRONT
        .replace("Books</a></li>\n", "Books</a></li>\n    <li><a href=\"#\">Contact</a></li>\n")
        .replace("<p>Old   news</p>\n", "\n<h2>Hours</h2>\n<p>9 to 5</p>\n");
    assert_eq!(text(dir.path(), "index.html"), expected);
    assert!(applied.summary.contains("Demo coder"), "it says what it is: {}", applied.summary);
}

#[test]
fn lines_are_indented_as_their_neighbours_and_one_line_stays_one() {
    let dir = site();
    let indented =
        "<body>\n  <main>\n\t  <h1>Books</h1>\n  </main>\n  <nav><a href=\"/\">Home</a></nav>\n</body>\n";
    write(dir.path(), &[("books.html", indented)]);
    code(
        dir.path(),
        &["open \"/books.html\"", "see text \"New\"", "see link \"Hours\"", "fill \"Title\" with \"x\""],
    )
    .expect("possible");
    let form = "<form method=\"get\">\n\t    <label>Title <input name=\"title\"></label>\n\t  </form>";
    let expected = indented
        .replace("Books</h1>\n", &format!("Books</h1>\n\t  <p>New</p>\n\t  {form}\n"))
        .replace("Home</a>", "Home</a><a href=\"#\">Hours</a>");
    assert_eq!(text(dir.path(), "books.html"), expected);
}

#[test]
fn twice_is_as_once() {
    let dir = site();
    let wanted = [
        "click \"Find a book\"",
        "url is \"/find\"",
        "fill \"Title\" with \"x\"",
        "click button \"Search\"",
        "url is \"/found.html\"",
        "see text \"3 books & more\"",
    ];
    code(dir.path(), &wanted).expect("possible");
    let first: Vec<String> =
        ["index.html", "find.html", "found.html"].map(|name| text(dir.path(), name)).into();
    assert!(first[2].contains("3 books &amp; more"), "{}", first[2]);
    let again = code(dir.path(), &wanted).expect("possible");
    assert_eq!(again.changed, [] as [PathBuf; 0]);
    let second: Vec<String> =
        ["index.html", "find.html", "found.html"].map(|name| text(dir.path(), name)).into();
    assert_eq!(first, second);
}

#[test]
fn what_it_cannot_do_it_says_and_leaves_alone() {
    let dir = site();
    let cases: [&[&str]; 3] = [
        &["url is \"/elsewhere\""],
        &["not see text \"ell\""],
        &["open \"/a%2e%2e/secret\"", "see text \"x\""],
    ];
    for criteria in cases {
        let err = code(dir.path(), criteria).expect_err("beyond a demo coder");
        assert!(err.to_string().contains("use a coding agent"), "{err}");
        assert_eq!(text(dir.path(), "index.html"), FRONT);
    }
}

#[test]
fn it_follows_no_link_out_of_the_repository() {
    let (dir, outside) = (site(), tempfile::tempdir().expect("a temporary directory"));
    write(outside.path(), &[("page.html", "<main></main>")]);
    std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).expect("a link");
    let err = code(dir.path(), &["open \"/out/page.html\"", "see text \"x\""]).expect_err("refused");
    assert!(err.to_string().contains("a link is in the way"), "{err}");
    assert_eq!(text(outside.path(), "page.html"), "<main></main>");
}
