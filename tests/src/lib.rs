//! The harness: real brokers, the real binary, and what a subscriber sees, each bounded in time and gone when dropped.
//!
//! Everything listens on loopback, on ports below the ephemeral range (so that a client that knocks at a dead broker
//! cannot be given the broker's own port to knock from), and keeps its files under one [`TempDir`].

pub mod agent;
pub mod bare;
pub mod certs;
pub mod client;
pub mod dir;
pub mod gate;
pub mod hostile_broker;
pub mod imports;
pub mod influxdb;
pub mod kafka;
pub mod machine;
pub mod messages;
pub mod mosquitto;
pub mod mount;
pub mod oracle;
pub mod ports;
pub mod probe;
pub mod process;
pub mod publisher;
pub mod python;
pub mod recording;
pub mod runtime_dir;
pub mod schema;
pub mod session;
pub mod sink;
pub mod slow_disk;
pub mod soak;
pub mod state;
pub mod subscriber;
pub mod tree;
pub mod week;
pub mod wire;

pub use agent::Agent;
pub use dir::TempDir;
pub use gate::Gate;
pub use hostile_broker::{HostileBroker, Trick};
pub use kafka::{Kafka, KafkaRecord, KafkaSender};
pub use machine::{FakeClock, Machine};
pub use messages::{Message, Messages};
pub use mosquitto::{Mosquitto, Options};
pub use publisher::Publisher;
pub use runtime_dir::RuntimeDir;
pub use session::Session;
pub use slow_disk::SlowDisk;
pub use subscriber::Subscriber;

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a test waits for something that has to happen, and then fails: far above what a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `probe` every few milliseconds until it gives something.
///
/// # Panics
/// After [`PATIENCE`], with `what` in the text.
#[track_caller]
pub fn wait_for<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, probe)
}

/// The same, with a patience of the caller's.
///
/// # Panics
/// After this patience, with `what` in the text.
#[track_caller]
pub fn wait_within<T>(patience: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The time now [ms since the Unix epoch].
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A test cannot run on this machine: says so past the test harness, which shows nothing of a test that passes. Where
/// `HEADWATER_SKIP` is `never`, as in CI, the test fails.
///
/// # Panics
/// Where nothing may be skipped.
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    assert!(std::env::var_os("HEADWATER_SKIP").is_none_or(|skip| skip != "never"), "cannot run: {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
}
