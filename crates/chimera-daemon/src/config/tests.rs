//! What is read from the file of what holds tasks back, and what is refused.

use super::*;

mod keys;
mod words;
use chimera_agent::spec::{Server, Staging};

/// A configuration file with this content, read.
fn read(toml: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(FILE_NAME), toml).expect("a file");
    load(&Flags::default(), BTreeMap::new(), dir.path()).map_err(|err| err.to_string())
}

const PARTIES: &str = r#"
    [roles]
    coder-agent = "mine"
    [agent.mine]
    protocol = "command"
    command = ["true"]
    max_concurrent = 3
    [[project]]
    name = "shop"
    repo = "/srv/shop"
    urls = ["http://127.0.0.1:9000"]
    max_concurrent = 2
    [project.staging]
    static_dir = "."
"#;

#[test]
fn what_holds_tasks_back_is_read_from_the_file() {
    let toml = format!(
        "[executor]\nmin_workers = 2\nmax_workers = 7\nmin_free_memory = \"64MiB\"\nmax_load = 3.5\n\
         breaker_failures = 2\nbreaker_cool_down = \"90s\"\n[executor.limits]\ne2e-tester-agent = 1\n{PARTIES}"
    );
    let config = read(&toml).expect("a configuration");
    let executor = &config.executor;
    assert_eq!((executor.min_workers, executor.max_workers), (2, 7));
    assert_eq!(executor.throttle, Throttle { min_free_memory: 64 << 20, max_load: Some(3.5) });
    let gates = config.gates();
    assert_eq!(gates.roles, BTreeMap::from([(Role::E2eTester, 1)]));
    assert_eq!(gates.projects, BTreeMap::from([("shop".to_owned(), 2)]));
    assert_eq!(gates.agents, BTreeMap::from([("mine".to_owned(), 3)]));
    assert_eq!(gates.cast.get(&Role::Coder), Some(&vec!["mine".to_owned()]));
    let policy = BreakerPolicy { failures: 2, cool_down: Duration::from_secs(90) };
    assert_eq!(gates.breaker, Some(policy));
}

#[test]
fn nothing_is_held_back_for_those_who_do_not_want_it() {
    let config =
        read("[executor]\nbreaker_failures = 0\nmax_load = 0\nmin_free_memory = 0\n").expect("a file");
    assert_eq!(config.gates().breaker, None);
    assert_eq!(config.executor.throttle, Throttle { min_free_memory: 0, max_load: None });
    assert_eq!(config.executor.min_workers, config.executor.max_workers);
}

#[test]
fn a_gate_that_makes_no_sense_is_refused_by_its_key() {
    let agent = PARTIES.replace("max_concurrent = 3", "max_concurrent = 0");
    let project = PARTIES.replace("max_concurrent = 2", "max_concurrent = 0");
    let cases = [
        ("[executor]\nmin_workers = 9\nmax_workers = 3", "executor.min_workers"),
        ("[executor]\nmax_load = -1.0", "executor.max_load"),
        ("[executor]\nbreaker_cool_down = \"1ms\"", "executor.breaker_cool_down"),
        ("[executor.limits]\ncoder-agent = 0", "executor.limits.coder-agent"),
        ("[executor.limits]\ncoder = 1", "did you mean `coder-agent`"),
        (&agent, "agent.mine.max_concurrent"),
        (&project, "max_concurrent"),
    ];
    for (toml, named) in cases {
        let refused = read(toml).expect_err(toml);
        assert!(refused.contains(named), "{toml}: {refused}");
    }
}

#[test]
fn frozen_tests_live_in_a_directory_of_the_repository() {
    let at = |dir: &str| read(&PARTIES.replace("urls =", &format!("e2e_dir = {dir:?}\nurls =")));
    let given = |dir: &str| at(dir).map(|config| config.projects[0].e2e_dir.clone());
    assert_eq!(read(PARTIES).map(|config| config.projects[0].e2e_dir.clone()).as_deref(), Ok("tests/e2e"));
    assert_eq!(given("frontend/tests/").as_deref(), Ok("frontend/tests"));
    for wrong in
        ["", "/", ".", "/srv/tests", "../tests", "a/../../b", "a//b", "a/./b", ".git/tests", "a b", "-x"]
    {
        let told = given(wrong).expect_err(wrong);
        assert!(
            told.contains("project.shop.e2e_dir") && told.contains("below the repository's root"),
            "{told}"
        );
    }
}

#[test]
fn generated_tests_run_against_the_target_only_where_the_project_says_so() {
    let allowed = PARTIES.replace("urls =", "test_target = true\nurls =");
    let project = |toml: &str| read(toml).map(|config| config.projects[0].test_target);
    assert_eq!((project(PARTIES), project(&allowed)), (Ok(false), Ok(true)));
    let nowhere = allowed.replace("urls = [\"http://127.0.0.1:9000\"]", "");
    let told = project(&nowhere).expect_err("without urls");
    assert!(told.contains("project.shop.test_target") && told.contains("goes with `urls`"), "{told}");
    let by_agent = |toml: &str| project(&toml.replace("static_dir = \".\"", "agent = \"mine\""));
    let told = by_agent(PARTIES).expect_err("an agent deploys");
    assert!(told.contains("run against target_url before the change"), "{told}");
    assert_eq!(by_agent(&allowed), Ok(true));
}

#[test]
fn a_project_says_how_its_commits_are_served() {
    let with = |keys: &str| PARTIES.replace("static_dir = \".\"", keys);
    let staged = |keys: &str| read(&with(keys)).map(|config| config.projects[0].staging.clone());
    let built = Staging::Static { static_dir: "dist".into(), build: Some("npm run build".into()) };
    assert_eq!(staged("static_dir = \"dist\"\nbuild = \"npm run build\"").unwrap(), built);
    let quick = Staging::Start(Server {
        ready: Some("/health".into()),
        ready_timeout: Duration::from_secs(120),
        stop_timeout: Duration::ZERO,
        ..Server::new("npm start")
    });
    let keys = "start = \"npm start\"\nready = \"/health\"\nready_timeout = \"2m\"\nstop_timeout = 0";
    assert_eq!(staged(keys).unwrap(), quick);
    assert_eq!(staged("start = \"x\"").unwrap(), Staging::Start(Server::new("x")));
    for (keys, expected) in [
        ("static_dir = \".\"\nready = \"/\"", "`ready`, `ready_timeout` and `stop_timeout` go with `start`"),
        ("static_dir = \".\"\nstart = \"x\"", "give one of `static_dir`, `start` and `agent`"),
        ("agent = \"mine\"\nbuild = \"x\"", "`build` goes with `start` or `static_dir`"),
        ("start = \"x\"\nready_timeout = 0", "project.shop.staging.ready_timeout"),
        ("start = \"x\"\nstop_timeout = \"1h\"", "3600 s is not possible: give 0 s to 300 s"),
    ] {
        let error = staged(keys).expect_err(keys);
        assert!(error.contains(expected), "{keys}: {error}");
    }
}
