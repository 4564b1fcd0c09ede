//! A real mosquitto of the test's own.

use crate::certs::Identity;
use crate::ports::free_port;
use crate::process::{Process, command, tail};
use crate::{TempDir, wait_for};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

/// The options of a broker.
#[derive(Default)]
pub struct Options {
    /// Whether the broker keeps sessions and queued messages over a restart, as of the last [`Mosquitto::save`].
    pub persistent: bool,
    /// A second listener with a condition.
    pub guard: Option<Guard>,
    /// Whether the broker logs nothing for a message, for measurements.
    pub quiet: bool,
    /// The most unacknowledged messages of a client; 0: no limit (mosquitto's own default is 20).
    pub inflight: u16,
    /// More lines of the config; `{dir}` is a folder of the broker's own.
    pub more: &'static str,
    /// The content of `{dir}/acl`, which `more` can name.
    pub acl: &'static str,
}

/// The condition of the second listener.
pub enum Guard {
    /// A name and a password.
    Login(&'static str, &'static str),
    /// TLS; with the path of an authority, a client certificate of it too.
    Tls(Identity, Option<PathBuf>),
    /// A websocket, perhaps in TLS.
    WebSocket(Option<Identity>),
}

/// A running broker. It ends, and its files are removed, when it is dropped.
pub struct Mosquitto {
    process: Option<Process>,
    dir: TempDir,
    /// The port for every client, on 127.0.0.1.
    pub port: u16,
    /// The port of the second listener, if there is one.
    pub guarded_port: u16,
}

impl Mosquitto {
    /// Starts a broker without persistence, for every client.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&Options::default())
    }

    /// Starts a broker.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn with(options: &Options) -> Self {
        let mut broker = Self::stopped(options);
        broker.restart();
        broker
    }

    /// Prepares a broker; [`Mosquitto::restart`] starts it.
    #[must_use]
    pub fn stopped(options: &Options) -> Self {
        let broker =
            Self { process: None, dir: TempDir::new(), port: free_port(), guarded_port: free_port() };
        broker.dir.write("mosquitto.conf", broker.config(options));
        broker.dir.write("acl", options.acl);
        broker
    }

    /// Starts the broker on the same ports with the same files.
    ///
    /// # Panics
    /// When it runs already or does not come up.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the broker runs already");
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = command(program());
        self.process =
            Some(Process::start(command.arg("-c").arg(self.dir.join("mosquitto.conf")).stderr(log)));
        let port = self.port;
        wait_for("mosquitto to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
    }

    /// SIGKILL: the broker saves nothing and tells no client.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn kill9(&mut self) {
        drop(self.process.take().expect("a running broker"));
    }

    /// SIGTERM: a persistent broker saves its sessions.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn stop(&mut self) {
        let process = self.process.take().expect("a running broker");
        process.signal("TERM");
        process.wait();
    }

    /// Makes a persistent broker save its sessions.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn save(&self) {
        let path = self.dir.join("mosquitto.db");
        let _ = std::fs::remove_file(&path);
        self.process.as_ref().expect("a running broker").signal("USR1");
        wait_for("mosquitto to save", || path.exists().then_some(()));
    }

    /// How often a text is in the log.
    #[must_use]
    pub fn logged(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// The broker's log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The broker's process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running broker").pid()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("mosquitto.log")
    }

    fn config(&self, options: &Options) -> String {
        let dir = self.dir.display();
        let kinds = if options.quiet { "error" } else { "all" };
        let mut text = format!(
            "user root\nlog_dest stderr\nlog_type {kinds}\nlog_timestamp false\nset_tcp_nodelay true\n\
             per_listener_settings true\npersistence {}\npersistence_location {dir}/\nautosave_interval 0\n\
             queue_qos0_messages true\n\
             listener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages {}\nmax_queued_messages 0\n",
            options.persistent, self.port, options.inflight
        );
        text += &options.more.replace("{dir}", &dir.to_string());
        if let Some(guard) = &options.guard {
            let _ = writeln!(text, "listener {} 127.0.0.1", self.guarded_port);
            text += &self.guard_config(guard);
        }
        text
    }

    fn guard_config(&self, guard: &Guard) -> String {
        match guard {
            Guard::Login(name, password) => {
                let path = self.dir.join("passwords");
                File::create(&path).expect("a password file");
                let written =
                    Command::new("mosquitto_passwd").arg("-b").arg(&path).args([name, password]).output();
                assert!(written.is_ok_and(|output| output.status.success()), "mosquitto_passwd");
                format!("allow_anonymous false\npassword_file {}\n", path.display())
            }
            Guard::Tls(identity, client_ca) => {
                let (cert, key) = (identity.cert.display(), identity.key.display());
                let asked = client_ca
                    .as_ref()
                    .map(|ca| format!("cafile {}\nrequire_certificate true\n", ca.display()));
                format!("allow_anonymous true\ncertfile {cert}\nkeyfile {key}\n{}", asked.unwrap_or_default())
            }
            Guard::WebSocket(identity) => {
                let tls = identity.as_ref().map(|Identity { cert, key }| {
                    format!("certfile {}\nkeyfile {}\n", cert.display(), key.display())
                });
                format!("protocol websockets\nallow_anonymous true\n{}", tls.unwrap_or_default())
            }
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- mosquitto on {}, its last lines:\n{}", self.port, tail(&self.log_path(), 60));
        }
    }
}

/// The program; Debian keeps it in `/usr/sbin`, outside the search path of users.
fn program() -> &'static str {
    const FULL: &str = "/usr/sbin/mosquitto";
    if std::path::Path::new(FULL).exists() { FULL } else { "mosquitto" }
}
