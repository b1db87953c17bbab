//! What a trial does to a cluster: `control kill | kill-postgres | kill-machine | cut | heal | wait | primary`.

use super::network::kill;
use super::node::Node;
use super::{Cluster, NAMES};
use crate::run::Stopwatch;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::Duration;

/// How long a cluster may take to be whole again.
const WHOLE: Duration = Duration::from_secs(120);
/// Lines shown of each log when it is not.
const SHOWN: usize = 8;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// The other machines, all of which commits wait for.
const STANDBYS: usize = NAMES.len() - 1;

const USAGE: &str = "\
usage: control <what>

  primary        print the machine that takes changes
  kill-postgres  end the primary's PostgreSQL at once
  kill           end the primary's Patroni and PostgreSQL at once
  kill-machine   end everything of the primary at once, its etcd too
  cut            take the primary's wire away
  heal           put every wire back, and start what does not run
  wait           wait until there is a primary, and its commits wait for both others";

/// Does one of them. Those that harm a machine print its name.
pub(crate) fn control(args: &[String]) -> Result<()> {
    let [dir, what] = args else { bail!("{USAGE}") };
    let cluster = Cluster::at(Path::new(dir))?;
    match what.as_str() {
        "heal" => heal(&cluster),
        "wait" => wait(&cluster, WHOLE),
        "primary" | "kill" | "kill-postgres" | "kill-machine" | "cut" => {
            let node = primary(&cluster).context("there is no primary now: `wait` for it")?;
            match what.as_str() {
                "kill-postgres" => kill(postmaster(&node)?),
                "kill" => {
                    kill(node.pid("patroni").context("Patroni was not started")?);
                    kill_postgres(&node)?;
                }
                "kill-machine" => {
                    cluster.network.processes(node.name)?.into_iter().for_each(kill);
                }
                "cut" => cluster.network.connect(node.name, false)?,
                _ => {}
            }
            println!("{}", node.name);
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

/// The machine that takes changes.
pub(crate) fn primary(cluster: &Cluster) -> Option<Node<'_>> {
    cluster.nodes().into_iter().find(|node| node.is("primary"))
}

/// Waits until there is one primary, and its commits wait for both others.
pub(crate) fn wait(cluster: &Cluster, limit: Duration) -> Result<()> {
    let watch = Stopwatch::start();
    while !is_whole(cluster) {
        if watch.elapsed() > limit {
            bail!("the cluster is not whole after {limit:?}:\n{}", last_words(cluster));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn is_whole(cluster: &Cluster) -> bool {
    let nodes = cluster.nodes();
    let number = |what: &str| nodes.iter().filter(|node| node.is(what)).count();
    // Patroni promotes only standbys that it has noted, PostgreSQL waits for those that are connected.
    let waited_for = followers(cluster).iter().filter(|follower| follower.ends_with("|sync")).count();
    (number("primary"), number("synchronous"), waited_for) == (1, STANDBYS, STANDBYS)
}

/// The standbys that the primary sends its changes to, each with its part: `one|sync`.
fn followers(cluster: &Cluster) -> Vec<String> {
    const SQL: &str = "SELECT application_name, sync_state FROM pg_stat_replication \
        WHERE state = 'streaming' AND application_name IN ('one', 'two', 'three')";
    let asked = primary(cluster).and_then(|primary| primary.sql(SQL).ok()?.output().ok());
    let text = asked.map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned());
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The ends of the logs, which are gone with the cluster.
fn last_words(cluster: &Cluster) -> String {
    let nodes = cluster.nodes();
    let logs = nodes.iter().flat_map(|node| ["etcd", "patroni"].map(|program| (node, program)));
    let end = |(node, program): (&Node<'_>, &str)| {
        let text = std::fs::read_to_string(node.log(program)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("{} {program}:\n{}\n", node.name, lines[lines.len().saturating_sub(SHOWN)..].join("\n"))
    };
    logs.map(end).collect()
}

fn heal(cluster: &Cluster) -> Result<()> {
    for node in cluster.nodes() {
        cluster.network.connect(node.name, true)?;
        node.start()?;
    }
    Ok(())
}

/// The first process of a machine's PostgreSQL.
fn postmaster(node: &Node<'_>) -> Result<u32> {
    let file =
        std::fs::read_to_string(node.data().join("postmaster.pid")).context("PostgreSQL does not run")?;
    Ok(file.lines().next().unwrap_or_default().trim().parse()?)
}

/// Every process of a machine's PostgreSQL, the first one first: it would start others anew.
fn kill_postgres(node: &Node<'_>) -> Result<()> {
    kill(postmaster(node)?);
    let name = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let processes = node.cluster.network.processes(node.name)?;
    processes.into_iter().filter(|pid| name(pid).trim() == "postgres").for_each(kill);
    Ok(())
}
