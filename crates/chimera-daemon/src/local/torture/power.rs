//! Power cuts: real daemons on a file system whose cache is thrown away in the middle of their work.
//!
//! The file system is ext4 in an image of its own, on a loop device. A cut shuts it down without writing anything back, not
//! even its own journal: what was not synced is gone when it is mounted again, as after a real one. (Beneath it, the device is as good
//! as one that keeps its promises: what was synced is on it.) This needs root and Linux.

use super::server::must;
use super::verdict::{Violation, search};
use super::{daemon::ACCEPTED, daemon::ENDED, site};
use anyhow::{Context, Result, bail};
use chimera_agent::scratch::Scratch;
use chimera_core::TaskId;
use chimera_store::{Plant, Store, copy_file, read};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Daemons at a time.
const DAEMONS: usize = 2;
/// How large the image is, of which only what is used takes room.
const SIZE: u64 = 512 << 20;
/// How long daemons work before the power fails, in milliseconds, counted from the first answer.
const WORK: std::ops::Range<u64> = 20..700;
/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so many cuts, and after the last, the whole journal is searched.
const WHOLE: u32 = 25;
/// How long others may keep the file system after its power was cut, and the pause between two looks.
const GONE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// Shuts ext4 down without a word to its journal (`EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`), which no safe call
/// of this language does.
const CUT: &str =
    "import fcntl, os, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, b'\\2\\0\\0\\0')";

/// How to cut.
#[derive(Debug, Clone)]
pub struct PowerCuts {
    /// How often.
    pub cuts: u32,
    /// What the moments are made of.
    pub seed: u64,
    /// A bug for the daemons to have.
    pub plant: Option<Plant>,
}

/// What was done and found.
#[derive(Debug, Default, Serialize)]
pub struct AfterCuts {
    /// What the run was made of.
    pub seed: u64,
    /// Power cuts.
    pub cuts: u32,
    /// Tasks whose acceptance was answered.
    pub accepted: usize,
    /// Tasks whose end was told.
    pub ended: usize,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
}

/// Cuts the power again and again, and looks each time whether what was answered is there. Ends with the first violation.
///
/// # Errors
/// If there is no such file system on this machine, or no daemons.
pub async fn cut_power(how: &PowerCuts) -> Result<AfterCuts> {
    let dir = Scratch::system().dir().context("no room for a file system")?;
    let disk = Disk::make(dir.path())?;
    let mut rng = fastrand::Rng::with_seed(how.seed);
    let mut after = AfterCuts { seed: how.seed, ..AfterCuts::default() };
    let mut all = Answered::default();
    while after.cuts < how.cuts && after.violations.is_empty() {
        let work = Duration::from_millis(rng.u64(WORK));
        let new = Answered::of(disk.until_cut(how.plant, (rng.u64(..), work))?);
        after.cuts += 1;
        all.accepted.extend(new.accepted.iter().cloned());
        all.ended.extend(new.ended.iter().cloned());
        // All of them take long in the end.
        let whole = after.cuts == how.cuts || after.cuts.is_multiple_of(WHOLE);
        match disk.look(if whole { &all } else { &new }, whole).await {
            Ok(found) => after.violations.extend(found),
            Err(err) => {
                let what = format!("after the power was back: {err:#}: {}", disk.files());
                after.violations.push(Violation::of_all(what));
            }
        }
    }
    (after.accepted, after.ended) = (all.accepted.len(), all.ended.len());
    Ok(after)
}

/// What was answered before the power failed.
#[derive(Default)]
struct Answered {
    accepted: BTreeSet<TaskId>,
    ended: BTreeSet<TaskId>,
}

impl Answered {
    fn of(lines: Vec<String>) -> Self {
        let mut answered = Self::default();
        for line in lines {
            match line.split_once(' ') {
                Some((ACCEPTED, id)) => answered.accepted.extend(TaskId::parse(id)),
                Some((ENDED, id)) => answered.ended.extend(TaskId::parse(id)),
                _ => {}
            }
        }
        answered
    }
}

/// A file system in a file, mounted.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    fn make(dir: &Path) -> Result<Self> {
        let disk = Self { image: dir.join("image"), at: dir.join("disk") };
        std::fs::create_dir(&disk.at)?;
        std::fs::File::create(&disk.image)?.set_len(SIZE)?;
        must(Command::new("mkfs.ext4").arg("-q").arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<()> {
        let mut mount = Command::new("mount");
        must(mount.args(["-o", "loop"]).arg(&self.image).arg(&self.at))
            .context("power can be cut only as root, with loop devices")
    }

    /// Waits until nobody has the file system any more: a process with mounts of its own may for a moment, and what were
    /// mounted then would be the one that was shut down.
    fn until_gone(&self) -> Result<()> {
        for _ in 0..GONE.as_millis() / LOOK.as_millis() {
            let loops = Command::new("losetup").arg("-j").arg(&self.image).output()?;
            if loops.stdout.is_empty() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        bail!("{} is still in use after {GONE:?}", self.image.display())
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.at.join("tasks.db").display())
    }

    /// Lets daemons work, cuts the power under them, and gives what they had answered by then.
    fn until_cut(&self, plant: Option<Plant>, (seed, work): (u64, Duration)) -> Result<Vec<String>> {
        let mut daemons = Daemons(Vec::new());
        let (tell, answers) = channel();
        for number in 0..DAEMONS as u64 {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["torture-daemon", "--submits", "--ahead=0", "--database", &self.url()]);
            command.args(["--seed", &seed.wrapping_add(number).to_string()]);
            if let Some(plant) = plant {
                command.args(["--plant", plant.as_str()]);
            }
            let quiet = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut daemon = quiet.spawn().context("a daemon cannot be started")?;
            let (said, tell) = (daemon.stdout.take(), tell.clone());
            daemons.0.push(daemon);
            std::thread::spawn(move || listen(said, |line| tell.send(line).is_ok()));
        }
        drop(tell);
        let mut before = until_answered(&answers)?;
        std::thread::sleep(work);
        // What is said until here was true before the cut.
        before.extend(answers.try_iter());
        must(Command::new("python3").args(["-c", CUT]).arg(&self.at))?;
        drop(daemons);
        must(Command::new("umount").arg(&self.at))?;
        self.until_gone()?;
        self.mount()?;
        Ok(before)
    }

    /// What lies on it, for people.
    fn files(&self) -> String {
        let listed = Command::new("ls").arg("-la").arg(&self.at).output();
        listed
            .map_or_else(|err| err.to_string(), |listed| String::from_utf8_lossy(&listed.stdout).into_owned())
    }

    /// Looks for what was answered and is not there; in the whole journal, too, or not.
    async fn look(&self, answered: &Answered, whole: bool) -> Result<Vec<Violation>> {
        let copy = self.image.with_extension("copy");
        copy_file(&chimera_store::Database::from(self.at.join("tasks.db").as_path()), &copy)?;
        std::fs::remove_file(&copy)?;
        let store = site::open(&self.url(), &self.at, None)?;
        let searched = compare(&store, answered, whole).await;
        store.close().await;
        searched
    }
}

async fn compare(store: &Store, answered: &Answered, whole: bool) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    if whole {
        let accepted: Vec<TaskId> = answered.accepted.iter().cloned().collect();
        // Every daemon is cut off: nobody's lease is held against it.
        violations.extend(search(store, &accepted, &|_, _| Ok(())).await?.violations);
    }
    for id in answered.accepted.union(&answered.ended) {
        let wanted = id.clone();
        let task = store.read(move |tx| read::task(tx, &wanted)).await?;
        let what = match task.map(|task| task.status) {
            None => "accepted, and not there".to_owned(),
            Some(status) if answered.ended.contains(id) && !status.is_end() => {
                format!("it is {status}, although its end was told")
            }
            Some(_) => continue,
        };
        violations.push(Violation { task: Some(id.clone()), what });
    }
    Ok(violations)
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever is still in use goes with its last user.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).output();
    }
}

/// Ended when dropped.
struct Daemons(Vec<Child>);

impl Drop for Daemons {
    fn drop(&mut self) {
        for daemon in &mut self.0 {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn listen(said: Option<ChildStdout>, heard: impl Fn(String) -> bool) {
    let lines = said.into_iter().flat_map(|said| BufReader::new(said).lines());
    let _ = lines.map_while(Result::ok).all(heard);
}

/// Waits for the first acceptance.
fn until_answered(answers: &Receiver<String>) -> Result<Vec<String>> {
    loop {
        let line = answers.recv_timeout(PATIENCE).context("no task was accepted")?;
        if line.starts_with(ACCEPTED) {
            return Ok(vec![line]);
        }
    }
}
