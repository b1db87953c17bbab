//! Each rule, seen red.

use super::{Complaint, Tree, check, code, crates, links, migrations, text};

fn told(complaints: &[Complaint]) -> Vec<String> {
    complaints.iter().map(ToString::to_string).collect()
}

fn red(rule: super::Rule, path: &str, source: &str, expected: &str) {
    let told = told(&rule(&Tree::of(&[(path, source)])));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(expected), "{told:?}");
}

fn green(rule: super::Rule, path: &str, source: &str) {
    assert_eq!(told(&rule(&Tree::of(&[(path, source)]))), Vec::<String>::new());
}

#[test]
fn this_project_is_tidy() {
    let tree = Tree::read(&crate::run::root()).expect("git lists the project");
    let told = told(&check(&tree));
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn a_long_file_is_told() {
    red(text::files_fit, "crates/a/src/lib.rs", &"\n".repeat(301), "301 lines, 300 are the limit");
    red(text::files_fit, "crates/a/tests/it/x.rs", &"\n".repeat(501), "501 lines, 500 are the limit");
    green(text::files_fit, "crates/a/src/lib.rs", &"\n".repeat(300));
    green(text::files_fit, "crates/a/tests/it/x.rs", &"\n".repeat(301));
}

#[test]
fn a_name_that_says_nothing_is_told() {
    red(text::names_say_something, "crates/a/src/helpers.rs", "", "`helpers` says nothing");
    red(text::names_say_something, "crates/a/src/util/time.rs", "", "`util` says nothing");
    green(text::names_say_something, "crates/a/src/utility_bill.rs", "");
}

#[test]
fn a_path_of_one_machine_is_told() {
    let home = concat!("see /ho", "me/anna/notes");
    red(text::no_local_paths, "docs/a.md", home, "docs/a.md:1: ");
    red(text::no_local_paths, "docs/a.md", "\ncd /checkouts/project/docs", "docs/a.md:2: ");
    green(text::no_local_paths, "docs/a.md", concat!("https://example.org/ho", "me/anna"));
}

#[test]
fn what_is_no_rust_is_told() {
    red(code::rust_can_be_parsed, "crates/a/src/lib.rs", "\nfn {", "crates/a/src/lib.rs:2: ");
}

#[test]
fn a_long_function_is_told() {
    let long = format!("impl A {{\n fn work() {{{}}}\n}}", "\n".repeat(70));
    red(code::functions_fit, "crates/a/src/lib.rs", &long, "lib.rs:2: `work` has 71 lines");
    green(code::functions_fit, "crates/a/src/lib.rs", &format!("fn work() {{{}}}", "\n".repeat(69)));
}

#[test]
fn a_module_without_a_word_is_told() {
    red(code::modules_are_documented, "crates/a/src/lib.rs", "// hm\nfn a() {}", "begin with a `//!`");
    green(code::modules_are_documented, "crates/a/src/lib.rs", "//! Says what.\nfn a() {}");
}

#[test]
fn what_is_unfinished_is_told() {
    let rule = code::nothing_is_unfinished;
    red(rule, "crates/a/src/lib.rs", "\nfn a() { todo!() }", "lib.rs:2: `todo!` must not stay");
    red(rule, "crates/a/src/lib.rs", "fn a() { unimplemented!(\"later\") }", "`unimplemented!`");
    red(rule, "crates/a/src/lib.rs", "fn a() { let b = dbg!(1); }", "`dbg!`");
    red(rule, "crates/a/tests/it/main.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}", "main.rs:2: ");
    green(rule, "crates/a/src/lib.rs", "/// No `todo!()`.\nfn ignore() { let a = \"todo!()\"; }");
}

#[test]
fn a_silenced_lint_is_told() {
    let rule = code::nothing_is_allowed_silently;
    red(rule, "crates/a/src/lib.rs", "#[allow(dead_code)]\nfn a() {}", "use `#[expect(..");
    red(rule, "crates/a/src/lib.rs", "#![allow(dead_code)]", "use `#[expect(..");
    red(rule, "crates/a/src/lib.rs", "#[cfg_attr(test, allow(dead_code))]\nfn a() {}", "use `#[expect(..");
    green(rule, "crates/a/src/lib.rs", "#[expect(dead_code, reason = \"x\")]\nfn allow() {}");
}

#[test]
fn a_sleeping_test_is_told() {
    let rule = code::tests_do_not_sleep;
    let sleep = "fn a() {\n    std::thread::sleep(A);\n}";
    red(rule, "crates/a/tests/it/main.rs", sleep, "main.rs:2: a test waits on a signal");
    red(rule, "crates/a/src/tests.rs", "async fn a() { sleep(A).await }", "a test waits on a signal");
    green(rule, "crates/a/src/lib.rs", sleep);
    let excused = "fn a() {\n    // tidy: polls, a port has no signal\n    sleep(A);\n}";
    green(rule, "crates/a/tests/it/main.rs", excused);
}

#[test]
fn sql_outside_the_store_is_told() {
    let rule = code::sql_stays_in_the_store;
    let sql = "const A: &str = \"\n  SELECT id FROM tasks\";";
    red(rule, "crates/chimera-daemon/src/a.rs", sql, "SQL belongs into chimera-store");
    red(rule, "crates/chimera-daemon/src/a.rs", "fn a() { b!(r\"PRAGMA wal\") }", "SQL belongs");
    green(rule, "crates/chimera-store/src/a.rs", sql);
    green(
        rule,
        "crates/chimera-daemon/src/a.rs",
        "/// SELECT a FROM b\nconst A: &str = \"select one from it\";",
    );
}

#[test]
fn a_dependency_that_is_not_listed_is_told() {
    let rule = crates::dependencies_are_listed;
    let agent = "crates/chimera-agent/Cargo.toml";
    red(rule, "crates/chimera-core/Cargo.toml", "[dependencies]\ntokio = \"1\"", "not depend on `tokio`");
    red(rule, agent, "[dependencies]\nchimera-store.workspace = true", "not depend on `chimera-store`");
    red(rule, agent, "[dev-dependencies]\nchimera-store.workspace = true", "`chimera-store`");
    red(rule, agent, "[target.'cfg(unix)'.dependencies.libc]\nversion = \"0.2\"", "`libc`");
    red(rule, "crates/chimera-new/Cargo.toml", "[package]", "`chimera-new` has no list");
    green(rule, agent, "[dependencies]\n# why\nserde.workspace = true\n[dev-dependencies]\ninsta = \"1\"");
}

#[test]
fn an_edited_migration_is_told() {
    let rule = migrations::history_stays;
    let sql = "crates/chimera-store/src/migrations/0001_tasks.sql";
    // The SHA-256 of nothing.
    let list = format!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  {sql}\n");
    let listed = ("xtask/migrations.sha256", list.as_str());
    assert_eq!(told(&rule(&Tree::of(&[listed, (sql, "")]))), Vec::<String>::new());
    red(rule, sql, "", &format!("add `{}`", list.trim_end()));
    let edited = told(&rule(&Tree::of(&[listed, (sql, "-- hm")])));
    assert!(edited.len() == 1 && edited[0].contains("is never edited"), "{edited:?}");
    let removed = told(&rule(&Tree::of(&[listed])));
    assert!(removed.len() == 1 && removed[0].contains("never removed"), "{removed:?}");
}

#[test]
fn a_link_to_nothing_is_told() {
    let rule = links::links_lead_somewhere;
    red(rule, "docs/a.md", "see [b](b.md#there)", "docs/a.md:1: `b.md#there` leads nowhere");
    red(rule, "docs/a.md", "\n[b]: ../b.md", "docs/a.md:2: `../b.md` leads nowhere");
    green(rule, "docs/a.md", "[self](../docs/a.md) [top](#top) [web](https://example.org) [dir](../docs)");
    green(rule, "docs/a.md", "```\n[b](b.md)\n```");
}
