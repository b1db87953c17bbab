//! The real binary as a subprocess, and what a test says to it over HTTP.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a daemon may take to start or to deliver on a busy machine: five deliveries side by side are 35 runs of a
/// browser.
const PATIENCE: Duration = Duration::from_secs(300);

/// A directory with a configuration and a data directory in it.
pub(crate) struct Site {
    dir: tempfile::TempDir,
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) url: String,
    agent: ureq::Agent,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err}: {}", self.text))
    }
}

impl Site {
    pub(crate) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("chimera.toml"), config).expect("a configuration");
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The binary, in an environment in which nothing of the developer's leads it elsewhere.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chimera-daemon"));
        self.at_home(&mut command);
        command
    }

    /// The same, started by a line of the shell that ends with `exec "$@"`.
    pub(crate) fn command_after(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line, "sh", env!("CARGO_BIN_EXE_chimera-daemon")]);
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        /// What a coverage tool hands on begins so.
        const MEASURING: &str = "LLVM_";
        let kept =
            |name: &str| matches!(name, "PATH" | "HOME" | "TMPDIR" | "LANG") || name.starts_with(MEASURING);
        command.env_clear().envs(std::env::vars().filter(|(name, _)| kept(name)));
        command.current_dir(self.path()).env("CHIMERA_TOOLS_DIR", tools_dir()).stdin(Stdio::null());
    }

    /// Starts the daemon and waits until it listens.
    pub(crate) fn start(&self) -> Daemon {
        self.start_with(&["start-all", "--port", "0"])
    }

    pub(crate) fn start_with(&self, args: &[&str]) -> Daemon {
        self.start_as(args, &[])
    }

    /// With further variables in its environment.
    pub(crate) fn start_as(&self, args: &[&str], variables: &[(&str, &str)]) -> Daemon {
        let mut command = self.command();
        command.args(args).envs(variables.iter().copied());
        self.start_by(command)
    }

    /// By a command that starts it.
    pub(crate) fn start_by(&self, mut command: Command) -> Daemon {
        let log = std::fs::File::options().create(true).append(true).open(self.path().join("daemon.log"));
        command.stdout(Stdio::piped()).stderr(log.expect("a log"));
        // Its own group, so that a signal to the test's terminal does not reach it.
        let mut child = command.process_group(0).spawn().expect("the daemon starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
        });
        let url = url.unwrap_or_else(|| panic!("the daemon says where it listens; its log:\n{}", self.log()));
        std::thread::spawn(move || lines.for_each(drop));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None);
        Daemon { child, url: url.trim_end_matches('/').to_owned(), agent: config.build().into() }
    }

    /// Waits until the log of the daemons here says this.
    pub(crate) fn until_logged(&self, text: &str) {
        /// Pause between two looks.
        const PAUSE: Duration = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if self.log().contains(text) {
                return;
            }
            // tidy: polls: a log of another process gives no signal
            std::thread::sleep(PAUSE);
        }
        panic!("`{text}` is not in the log:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("daemon.log")).unwrap_or_default()
    }
}

impl Daemon {
    pub(crate) fn get(&self, path: &str) -> Value {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().expect("an answer");
        answer.body_mut().read_json().expect("JSON")
    }

    /// Any request, with the whole answer.
    pub(crate) fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut answer = self.agent.run(request.body(body).expect("a request")).expect("an answer");
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let kind = header("content-type").unwrap_or_default().to_owned();
        let bytes = answer.body_mut().read_to_vec().expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: answer.status().as_u16(), kind, text }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut answer = self.agent.post(format!("{}{path}", self.url)).send_json(body).expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or_default())
    }

    /// Submits a task and gives its id.
    pub(crate) fn submit(&self, body: &Value) -> String {
        let (status, answer) = self.post("/api/tasks", body);
        assert_eq!(status, 200, "{answer}");
        answer["task_id"].as_str().expect("an id").to_owned()
    }

    /// Follows the task's event stream until an event satisfies `holds`; the stream ends with the task.
    pub(crate) fn follow(&self, task: &str, mut holds: impl FnMut(&Value) -> bool) -> bool {
        let url = format!("{}/api/tasks/{task}/events", self.url);
        let answer = self.agent.get(url).header("Accept", "text/event-stream").call().expect("a stream");
        let lines = BufReader::new(answer.into_body().into_reader()).lines();
        lines
            .map_while(Result::ok)
            .filter_map(|line| {
                line.strip_prefix("data:").and_then(|data| serde_json::from_str(data.trim()).ok())
            })
            .any(|event: Value| holds(&event))
    }

    /// Waits for the end of the task and gives it.
    pub(crate) fn ended(&self, task: &str) -> Value {
        self.follow(task, |_| false);
        self.get(&format!("/api/tasks/{task}"))
    }

    /// All events of a task.
    pub(crate) fn events(&self, task: &str) -> Vec<Value> {
        let page = self.get(&format!("/api/tasks/{task}/events?limit=200"));
        page["items"].as_array().unwrap_or_else(|| panic!("a page of events: {page}")).clone()
    }

    /// A connection of one's own.
    pub(crate) fn connect(&self) -> std::net::TcpStream {
        std::net::TcpStream::connect(self.url.trim_start_matches("http://")).expect("a connection")
    }

    /// Freezes it, or lets it go on: SIGSTOP, SIGCONT.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("signalled");
    }

    /// SIGKILL, as a power failure would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.exit_code()
    }

    /// Waits for its end.
    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python environment that all tests share.
pub(crate) fn tools_dir() -> PathBuf {
    std::env::var_os("CHIMERA_TOOLS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from)
}

/// A git repository on branch `main` with these files.
pub(crate) fn repository(dir: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(dir).expect("a directory");
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    git(dir, &["init", "--quiet", "--initial-branch=main"]);
    git(dir, &["add", "--all"]);
    git(
        dir,
        &["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "-m", "Begin"],
    );
}

/// Runs git and gives what it prints.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let done = Command::new("git").current_dir(dir).args(args).output().expect("git runs");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}
