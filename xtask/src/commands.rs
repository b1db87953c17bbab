//! What a person calls.

use crate::patroni;
use crate::postgres::Postgres;
use crate::run::{Place, Stopwatch, found, root, seconds, step};
use crate::tidy;
use anyhow::{Result, bail};

/// Sets up, builds and shows one delivery; `args` go to `chimera-daemon demo`.
///
/// A debug build: it is there in less than half the time of a release build, and the demo waits for a
/// browser, not for the daemon.
pub(crate) fn demo(args: &[String]) -> Result<()> {
    let place = Place::find()?;
    set_up(&place, &["build", "--package", "chimera-daemon"], &[])?;
    step("demo", place.command(&place.daemon).arg("demo").args(args))
}

/// Sets up, then runs the unit, integration and documentation tests of the whole workspace.
pub(crate) fn test(filters: &[String]) -> Result<()> {
    let watch = Stopwatch::start();
    let place = Place::find()?;
    // Builds the daemon along with the tests: `cargo build` would choose other features for what both use,
    // and build sixty crates twice.
    set_up(&place, &["test", "--workspace", "--no-run"], &["--playwright-test"])?;
    let postgres = Postgres::start()?;
    let mut tests = place.cargo();
    postgres.tell(&mut tests);
    step("tests", tests.args(["test", "--workspace", "--no-fail-fast", "--"]).args(filters))?;
    eprintln!("xtask: every test passed; set-up, build and tests took {}", seconds(watch.elapsed()));
    Ok(())
}

/// Sets up, then has every cheat and every honest case delivered, and prints what came of each; `names` choose some.
pub(crate) fn cheats(names: &[String]) -> Result<()> {
    let place = Place::find()?;
    let target = ["test", "--package", "chimera-daemon", "--test", "cheats"];
    set_up(&place, &["build", "--package", "chimera-daemon"], &["--playwright-test"])?;
    let mut cheats = place.cargo();
    if !names.is_empty() {
        cheats.env("CHIMERA_CASES", names.join(","));
    }
    step("cheats", cheats.args(target).args(["--", "--nocapture"]))
}

/// Runs a command with a server for the tests of the store.
pub(crate) fn with_postgres(command: &[String]) -> Result<()> {
    let [program, args @ ..] = command else {
        bail!("give the command to run, such as `cargo test -p chimera-store`")
    };
    let (place, postgres) = (Place::find()?, Postgres::start()?);
    let mut command = place.command(program);
    postgres.tell(&mut command);
    step(program, command.args(args))
}

/// Runs a command with a cluster of three machines.
pub(crate) fn with_patroni(command: &[String]) -> Result<()> {
    let [program, args @ ..] = command else {
        bail!("give the command to run, such as `target/debug/chimera-daemon torture --cluster`")
    };
    let (place, cluster) = (Place::find()?, patroni::Running::start()?);
    let mut command = place.command(program);
    cluster.tell(&mut command);
    step(program, command.args(args))
}

/// What must hold before a merge.
pub(crate) fn ci() -> Result<()> {
    let place = Place::find()?;
    step("formatting", place.cargo().args(["fmt", "--all", "--check"]))?;
    tidy()?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step("lints", place.cargo().args(lints))?;
    test(&[])
}

/// Checks the rules of [`crate::tidy`].
pub(crate) fn tidy() -> Result<()> {
    let tree = tidy::Tree::read(&root())?;
    let complaints = tidy::check(&tree);
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if !complaints.is_empty() {
        bail!("tidy: {} to mend, see above", complaints.len());
    }
    eprintln!("xtask: tidy: {} files keep the rules", tree.sources().count());
    Ok(())
}

/// Builds the daemon and lets it fetch what the tests and the demo need.
fn set_up(place: &Place, build: &[&str], further: &[&str]) -> Result<()> {
    basics()?;
    step("build", place.cargo().args(build))?;
    let mut set_up = place.command(&place.daemon);
    step("set-up", set_up.args(["setup", "--yes", "--tools-dir"]).arg(&place.tools).args(further))
}

/// What has to be there before anything can be built; the daemon's own `setup` fetches the rest.
fn basics() -> Result<()> {
    if std::env::var_os("CC").is_none() && !["cc", "gcc", "clang"].into_iter().any(found) {
        bail!("a C compiler is missing, which builds the embedded SQLite: `apt-get install gcc libc6-dev`");
    }
    Ok(())
}
