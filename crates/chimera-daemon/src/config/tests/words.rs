//! What is said of a wrong configuration: in terms of the file, with what to write instead.

use super::read;

/// The wrong file, and the last line of what is said about it.
const WRONG: [(&str, &str); 29] = [
    ("[executor]\nlease = true", "invalid type: boolean `true`, expected a duration such as \"30s\""),
    ("[executor]\nlease = -1", "`-1` is not a valid duration: give 0 seconds to ten years"),
    (
        "[executor]\nlease = \"soon\"",
        "`soon` is not a valid duration: write seconds (`90`) or a number with ms, s, m, h or d (`\"30m\"`)",
    ),
    ("[executor]\nlease = [1]", "this is a list, expected a duration such as \"30s\""),
    (
        "[retention]\ncompleted = \"nver\"",
        "`nver` is not a valid duration: write one such as `\"90d\"`, or `\"never\"` to keep them forever",
    ),
    (
        "[retention]\ncompleted = false",
        "invalid type: boolean `false`, expected a duration such as \"90d\", or \"never\"",
    ),
    (
        "[retention]\nfailed = \"1s\"",
        "retention.failed: is too short: give at least \"1m\", or \"never\" to keep them forever",
    ),
    (
        "[executor]\nmin_free_memory = -1",
        "`-1` is not an amount of memory: write a number of bytes, or one with MiB or GiB (`\"512MiB\"`)",
    ),
    (
        "[executor]\nmin_free_memory = true",
        "invalid type: boolean `true`, expected an amount of memory such as \"512MiB\"",
    ),
    (
        "[executor]\nmin_free_memory = \"1 TB\"",
        "`1 TB` is not an amount of memory: write a number of bytes, or one with MiB or GiB (`\"512MiB\"`)",
    ),
    (
        "[roles]\ncoder-agent = 3",
        "invalid type: integer `3`, expected the name of an agent such as \"my-coder\", or a list of names",
    ),
    ("[roles]\ncoder = \"builtin\"", "roles: `coder` is not a role: did you mean `coder-agent`?"),
    (
        "[roles]\ncoder-agent = \"mine\"",
        "roles.coder-agent: `mine` is not a configured agent: known are builtin",
    ),
    ("[project]\nname = \"a\"\nrepo = \"b\"", "there may be several: write [[project]] instead of [project]"),
    ("project = \"shop\"", "invalid type: string \"shop\", expected tables, each under [[project]]"),
    ("[[project]]\nname = \"a\"", "missing field `repo`"),
    ("[[project]]\nname = \"a\"\nrepo = 3", "invalid type: integer `3`, expected a text in quotes"),
    (
        "[[project]]\nname = \"a\"\nrepo = \"b\"\nurls = [\"shop\"]",
        "project.a.urls: `shop` is not a valid URL: write it with its scheme, as in \"http://127.0.0.1:9000\"",
    ),
    (
        "[[project]]\nname = \"a\"\nrepo = \"b\"\npush = \"no\"",
        "invalid type: string \"no\", expected true or false",
    ),
    (
        "[[project]]\nname = \"a\"\nrepo = \"b\"\ne2e = \"cypress\"",
        "project.a.e2e: `cypress` is not a known test runner: known are pytest-playwright, playwright-test",
    ),
    ("[agent.x]\nprotocol = \"command\"\ncommand = \"./x.sh\"", "this is a list: write [\"./x.sh\"]"),
    (
        "[agent.x]\nprotocol = \"command\"\ncommand = 7",
        "invalid type: integer `7`, expected a list of texts such as [\"a\", \"b\"]",
    ),
    ("[[agent]]\nprotocol = \"command\"", "this is a list, expected a table"),
    ("agent = \"x\"", "invalid type: string \"x\", expected a table"),
    ("[api]\nport = 70000", "invalid value: integer `70000`, expected a whole number from 0 to 65535"),
    (
        "[executor]\nmax_workers = \"five\"",
        "invalid type: string \"five\", expected a whole number, 0 or more",
    ),
    ("[executor]\nmax_load = \"high\"", "invalid type: string \"high\", expected a number"),
    (
        "[delivery]\nrecordings = \"some\"",
        "delivery.recordings: `some` is not a known choice: known are none, proof, all",
    ),
    ("[api]\nprot = 1", "help: did you mean `port`?"),
];

#[test]
fn what_is_wrong_is_said_in_terms_of_the_file() {
    for (toml, expected) in WRONG {
        let told = read(toml).expect_err(toml);
        assert_eq!(told.lines().last(), Some(expected), "{toml}");
        for inside in ["untagged", "enum", "sequence", "struct", "u16", "u32", "usize", "f64", "is no "] {
            assert!(!told.contains(inside), "`{inside}`: {told}");
        }
    }
}
