//! A real InfluxDB 1 of the test's own. It comes from Debian; a machine without it skips these tests, and `tests/run` installs it.

use crate::certs::Identity;
use crate::ports::free_port;
use crate::process::{Process, command, tail};
use crate::{TempDir, wait_within};
use serde_json::Value;
use std::fs::OpenOptions;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a database may take to start: after a kill it reads its log first, on a busy machine.
const START: Duration = Duration::from_secs(120);

/// A running database. It ends, and its files are removed, when it is dropped.
pub struct InfluxDb {
    process: Option<Process>,
    dir: TempDir,
    scheme: &'static str,
    /// The port of its API, on 127.0.0.1.
    pub port: u16,
}

impl InfluxDb {
    /// Starts a database without any databases in it; `http` are more lines of its `[http]`. `None`: it is not installed.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(http: &str) -> Option<Self> {
        let is_there = Command::new("influxd").arg("version").stdout(Stdio::null()).status();
        if !is_there.is_ok_and(|status| status.success()) {
            println!("skipped: no influxd here (apt-get install influxdb)");
            return None;
        }
        let (dir, port, rpc) = (TempDir::new(), free_port(), free_port());
        let folder = dir.display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n[meta]\ndir = \"{folder}/meta\"\n\
             logging-enabled = false\n[data]\ndir = \"{folder}/data\"\nwal-dir = \"{folder}/wal\"\n\
             query-log-enabled = false\n[monitor]\nstore-enabled = false\n[http]\nbind-address = \"127.0.0.1:{port}\"\n\
             log-enabled = false\n{http}\n"
        );
        dir.write("influxdb.conf", config);
        let scheme = if http.contains("https-enabled = true") { "https" } else { "http" };
        let mut database = Self { process: None, dir, scheme, port };
        database.restart();
        Some(database)
    }

    /// The same, in TLS.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_tls(identity: &Identity) -> Option<Self> {
        let (cert, key) = (identity.cert.display(), identity.key.display());
        Self::start(&format!(
            "https-enabled = true\nhttps-certificate = \"{cert}\"\nhttps-private-key = \"{key}\""
        ))
    }

    /// Starts it on the same port with the same files.
    ///
    /// # Panics
    /// When it runs already or does not come up.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let log = OpenOptions::new().create(true).append(true).open(self.dir.join("log")).expect("a log");
        let mut influxd = command("influxd");
        influxd.arg("-config").arg(self.dir.join("influxdb.conf")).stdin(Stdio::null());
        influxd.stderr(log.try_clone().expect("a log")).stdout(log);
        self.process = Some(Process::start(&mut influxd));
        let log = self.dir.join("log");
        wait_within(START, &format!("influxd to answer: {}", tail(&log, 20)), || {
            self.ask("SHOW DATABASES").map(|_| ())
        });
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Runs a statement that changes something.
    ///
    /// # Panics
    /// When the database does not take it.
    #[track_caller]
    pub fn run(&self, statement: &str) {
        let answer = self.ask(statement).unwrap_or_else(|| panic!("no answer to {statement}"));
        assert!(answer["results"][0]["error"].is_null(), "{statement}: {answer}");
    }

    /// The rows that a query finds, over all its series.
    #[must_use]
    pub fn rows(&self, query: &str) -> Vec<Vec<Value>> {
        let Some(answer) = self.ask(query) else { return Vec::new() };
        let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
        let rows = series.iter().flat_map(|series| series["values"].as_array().cloned().unwrap_or_default());
        rows.map(|row| row.as_array().cloned().unwrap_or_default()).collect()
    }

    /// The number in the second column of a query's only row; 0 without one.
    #[must_use]
    pub fn number(&self, query: &str) -> f64 {
        self.rows(query).first().and_then(|row| row.get(1)?.as_f64()).unwrap_or(0.0)
    }

    fn ask(&self, query: &str) -> Option<Value> {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-k", "-m", "20", "--data-urlencode", &format!("q={query}")]);
        curl.args(["--data-urlencode", "db=home", "--data-urlencode", "epoch=ms"]);
        let output = curl.arg(format!("{}://127.0.0.1:{}/query", self.scheme, self.port)).output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }
}
