//! A real Kafka broker of the test's own, and Java's own client beside it.

use crate::ports::free_port;
use crate::process::{Process, command, tail};
use crate::{TempDir, skip, wait_within};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

/// How long a broker may take to start: a Java machine on a busy one.
const START: Duration = Duration::from_secs(120);

/// A user of the listener with names and passwords.
pub const USER: (&str, &str) = ("alice", "secret");

/// A running broker. It ends, and its files are removed, when it is dropped.
pub struct Kafka {
    process: Option<Process>,
    dir: TempDir,
    starts: usize,
    /// The port for every client, on 127.0.0.1.
    pub port: u16,
    /// The port of TLS, on localhost.
    pub tls_port: u16,
    /// The port of TLS with a name and a password, on localhost.
    pub sasl_port: u16,
}

/// A record as Java's consumer reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaRecord {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its time [ms since the Unix epoch].
    pub time: i64,
    /// Its key.
    pub key: String,
    /// Its headers, as `name=value;…`.
    pub headers: String,
    /// Its value.
    pub value: String,
}

fn script() -> Command {
    command(Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/broker"))
}

impl Kafka {
    /// Starts a broker. `None`, with the reason printed: this machine has no Java, or cannot fetch the broker.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::with(None, "")
    }

    /// Starts a broker with more lines of its config. With `pem`, a file with a key and its certificate, it has listeners
    /// with TLS too.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn with(pem: Option<&Path>, more: &str) -> Option<Self> {
        let fetched = script().arg("fetch").output().expect("tests/kafka/broker");
        if !fetched.status.success() {
            let said = String::from_utf8_lossy(&fetched.stderr).into_owned();
            skip(&format!("no Kafka broker can be fetched: {}", said.lines().last().unwrap_or_default()));
            return None;
        }
        let [port, controller, tls_port, sasl_port] = [(); 4].map(|()| free_port());
        let mut broker = Self { process: None, dir: TempDir::new(), starts: 0, port, tls_port, sasl_port };
        let mut format = script();
        format.arg("format").arg(&*broker.dir).arg(port.to_string()).arg(controller.to_string());
        if let Some(pem) = pem {
            format.arg(tls_port.to_string()).arg(sasl_port.to_string()).arg(pem);
        }
        let formatted = format.output().expect("tests/kafka/broker");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let config = broker.dir.join("server.properties");
        let mut config = OpenOptions::new().append(true).open(config).expect("the broker's config");
        writeln!(config, "{more}").expect("the broker's config");
        broker.restart();
        Some(broker)
    }

    /// Starts the broker on the same ports with the same files.
    ///
    /// # Panics
    /// When it runs already or does not come up.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the broker runs already");
        let log = OpenOptions::new().create(true).append(true).open(self.log()).expect("a log file");
        let mut command = script();
        command.arg("run").arg(&*self.dir).stdin(Stdio::null()).stderr(log.try_clone().expect("a log file"));
        let mut process = Process::start(command.stdout(log));
        self.starts += 1;
        let path = self.log();
        let has_started = || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(process.ended().is_none(), "the broker ended:\n{}", tail(&path, 40));
            (text.matches("Kafka Server started").count() >= self.starts).then_some(())
        };
        wait_within(START, "the broker to start", has_started);
        self.process = Some(process);
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn kill9(&mut self) {
        drop(self.process.take().expect("a running broker"));
    }

    /// SIGSTOP: the broker stands still.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn freeze(&self) {
        self.process.as_ref().expect("a running broker").signal("STOP");
    }

    /// SIGCONT: the broker goes on.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn thaw(&self) {
        self.process.as_ref().expect("a running broker").signal("CONT");
    }

    /// The address for every client.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs Java's client to its end. Returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn client(&self, arguments: &[&str]) -> String {
        let output = self.client_command(arguments).stdin(Stdio::null()).output().expect("a client");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Makes a topic with so many partitions, and configs such as `max.message.bytes=1000`.
    #[track_caller]
    pub fn create(&self, topic: &str, partitions: u16, configs: &[&str]) {
        self.client(&[&["create", topic, &partitions.to_string()], configs].concat());
    }

    /// Every record of some topics, by partition and offset.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    #[track_caller]
    pub fn drain(&self, topics: &str) -> Vec<KafkaRecord> {
        let text = self.client(&["drain", topics]);
        let record = |line: &str| {
            let [topic, partition, _, time, key, headers, value] =
                line.splitn(7, '\t').map(str::to_owned).collect::<Vec<_>>().try_into().expect("seven cells");
            let (partition, time) = (partition.parse().expect("a number"), time.parse().expect("a time"));
            KafkaRecord { topic, partition, time, key, headers, value }
        };
        text.lines().map(record).collect()
    }

    /// Sends records with Java's producer, which packs them with a codec. The result takes more of them.
    #[must_use]
    pub fn sender(&self, topic: &str, codec: &str) -> KafkaSender {
        let said = self.dir.join(format!("sender-{}", free_port()));
        let mut command = self.client_command(&["send", topic, codec]);
        let out = File::create(&said).expect("an output file");
        let mut process = Process::start(
            command.stdin(Stdio::piped()).stderr(out.try_clone().expect("an output file")).stdout(out),
        );
        let input = process.take_input();
        KafkaSender { process, input: Some(input), said, flushes: 0 }
    }

    fn client_command(&self, arguments: &[&str]) -> Command {
        let mut command = script();
        command.args(["client", &self.address()]).args(arguments);
        command
    }

    fn log(&self) -> PathBuf {
        self.dir.join("broker.log")
    }
}

/// A running producer of Java's.
pub struct KafkaSender {
    process: Process,
    input: Option<ChildStdin>,
    said: PathBuf,
    flushes: usize,
}

impl KafkaSender {
    /// Hands a record to the producer.
    ///
    /// # Panics
    /// When the producer is gone.
    #[track_caller]
    pub fn send(&mut self, key: &str, value: &str) {
        let input = self.input.as_mut().expect("a running producer");
        writeln!(input, "{key}\t{value}").expect("a record for the producer");
    }

    /// Waits until the broker has all of them.
    ///
    /// # Panics
    /// When it does not get them.
    #[track_caller]
    pub fn flush(&mut self) {
        self.send("", "");
        self.input.as_mut().expect("a running producer").flush().expect("a flush");
        self.flushes += 1;
        let (said, flushes) = (self.said.clone(), self.flushes);
        wait_within(START, "the producer to flush", || {
            let text = std::fs::read_to_string(&said).unwrap_or_default();
            (text.lines().filter(|line| *line == "flushed").count() >= flushes).then_some(())
        });
    }

    /// Waits until the broker has all of them, and ends the producer.
    ///
    /// # Panics
    /// When it does not get them.
    #[track_caller]
    pub fn finish(mut self) {
        drop(self.input.take());
        let (mut process, said) = (self.process, self.said);
        wait_within(3 * START, "the producer to end", || process.ended());
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        assert!(text.lines().any(|line| line == "ok"), "the producer failed: {text}");
    }
}
