//! Daemons of the benchmark, in processes of their own: the engine with agents that do nothing.

use super::empty::Empty;
use super::flow::{self, Flow};
use super::{Figure, Plan};
use crate::engine::Engine;
use crate::seams::{Clock, Dice};
use crate::wiring::Shutdown;
use anyhow::{Context, Result, bail};
use chimera_store::{Database, Options, Store, read};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Tasks that a daemon works on when it is killed.
const INTERRUPTED: u32 = 10;
/// How long each phase of theirs lasts: longer than it takes to kill.
const LASTING: Duration = Duration::from_secs(60);
/// Pause between two looks at how many tasks have ended.
const LOOK: Duration = Duration::from_millis(10);
/// How long the daemons may take for all that they are given.
const LIMIT: Duration = Duration::from_secs(600);

/// A daemon of the benchmark.
#[derive(Debug, Clone)]
pub struct Hand {
    /// The database.
    pub database: String,
    /// Its workers.
    pub workers: u32,
    /// How long each phase lasts.
    pub lasting: Duration,
}

/// Works until a signal, or until whoever started it is gone.
///
/// # Errors
/// If the database cannot be opened.
pub async fn run_hand(hand: &Hand) -> Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let here = std::env::current_dir()?;
    let database = Database::parse(&hand.database, &here, None).map_err(|detail| anyhow::anyhow!(detail))?;
    let store = Store::open(&database, &Options::default())?;
    let (started, _starts) = mpsc::unbounded_channel();
    let (ended, _ends) = mpsc::unbounded_channel();
    let runner = Arc::new(Empty { started, ended, lasting: hand.lasting });
    let engine =
        Engine::new(store.clone(), runner, flow::settings(hand.workers), Clock::system(), Dice::system());
    let asked = shutdown.asked.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_line(&mut String::new());
        asked.cancel();
    });
    writeln!(std::io::stdout(), "ready")?;
    engine.run(shutdown.asked, shutdown.now).await?;
    store.close().await;
    Ok(())
}

/// A daemon, ended with the value.
struct Started(Child);

impl Started {
    fn new(database: &str, workers: u32, lasting: Duration) -> Result<Self> {
        let program = std::env::current_exe().context("this program does not know where it lies")?;
        let mut command = Command::new(program);
        command.args(["bench-daemon", "--database", database, "--workers", &workers.to_string()]);
        command.args(["--lasting", &lasting.as_millis().to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Self(command.spawn().context("a daemon cannot be started")?);
        let mut line = String::new();
        let out = child.0.stdout.take().context("a daemon without output")?;
        if BufReader::new(out).read_line(&mut line)? == 0 {
            bail!("a daemon of the benchmark ended before it began");
        }
        Ok(child)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Workflows per second of several daemons on one database.
pub(super) async fn rate(store: &Store, url: &str, plan: &Plan, workers: u32) -> Result<Figure> {
    let daemons =
        (0..plan.daemons).map(|_| Started::new(url, workers, Duration::ZERO)).collect::<Result<Vec<_>>>()?;
    let before = store.read(read::counts).await?.completed;
    let from = Instant::now();
    flow::put_all(store, &Dice::system(), plan.tasks).await?;
    while store.read(read::counts).await?.completed < before + u64::from(plan.tasks) {
        if from.elapsed() > LIMIT {
            bail!("the daemons did not end their tasks within {LIMIT:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
    let rate = f64::from(plan.tasks) / from.elapsed().as_secs_f64();
    drop(daemons);
    let how = format!(
        "workflows of five phases, {} at once, {} daemons of {workers} workers; submission included",
        plan.tasks, plan.daemons
    );
    Ok(Figure::new(format!("workflows_{}x{workers}", plan.daemons), rate, "/s", how))
}

/// From the end of a daemon by SIGKILL to the first phase that is continued by one that is started then.
pub(super) async fn recovery(store: &Store, url: &str, database: &Database) -> Result<Figure> {
    let killed = Started::new(url, INTERRUPTED, LASTING)?;
    flow::put_all(store, &Dice::system(), INTERRUPTED).await?;
    while store.read(read::counts).await?.running < u64::from(INTERRUPTED) {
        tokio::time::sleep(LOOK).await;
    }
    let from = Instant::now();
    drop(killed);
    let own = Store::open(database, &Options::default())?;
    let mut flow = Flow::start(&own, INTERRUPTED);
    let continued = flow.starts.recv().await.context("the engine ended")?;
    for _ in 0..INTERRUPTED {
        flow.ends.recv().await.context("the engine ended")?;
    }
    flow.stop().await?;
    own.close().await;
    let time = continued.saturating_duration_since(from).as_secs_f64() * 1000.0;
    let how = "from SIGKILL of a daemon to the first phase continued by the next one, started at once";
    Ok(Figure::new("recovery", time, "ms", how))
}
