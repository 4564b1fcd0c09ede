//! Sources that run in a test, and what they tell.

#[path = "../../tests/src/ports.rs"]
mod ports;

pub(crate) use ports::free_port;

use crate::decode::tests::{Seen, context};
use crate::{ConnectionState, SeriesRef, Sink, Source, SourcePosition, Stamp, read_source};
use headwater_settings::Document;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::future::Future;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);

/// What a source has told, shared with the test.
#[derive(Clone)]
pub(crate) struct Told(pub(crate) Rc<RefCell<Seen>>);

impl Default for Told {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Seen::roomy())))
    }
}

impl Sink for Told {
    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        self.0.borrow_mut().series(name, labels)
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        self.0.borrow_mut().reading(series, stamp, value);
    }

    fn refused(&mut self, count: u32) {
        self.0.borrow_mut().refused(count);
    }

    fn dropped(&mut self, count: u32) {
        self.0.borrow_mut().dropped(count);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.0.borrow_mut().invalid(origin, why);
    }

    fn connection(&mut self, state: ConnectionState<'_>) {
        self.0.borrow_mut().connection(state);
    }

    fn trouble(&mut self, what: Option<&str>) {
        self.0.borrow_mut().trouble(what);
    }

    fn positions(&mut self) -> Vec<SourcePosition> {
        self.0.borrow_mut().positions()
    }

    fn position(&mut self, key: &[u8], at: &[u8]) -> u64 {
        self.0.borrow_mut().position(key, at)
    }
}

impl Told {
    /// Waits until the source has told that.
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&Seen) -> bool) {
        let waiting = async {
            while !done(&self.0.borrow()) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            let seen = self.0.borrow();
            let last = seen.readings.last();
            panic!(
                "no {what}: {} readings, {last:?}, {:?}, {:?}",
                seen.readings.len(),
                seen.invalid,
                seen.links
            );
        }
    }

    pub(crate) async fn until_values(&self, values: &[f64]) {
        self.until(&format!("{values:?}"), |seen| seen.readings.len() >= values.len()).await;
        assert_eq!(self.values(), values);
    }

    pub(crate) async fn until_link(&self, part: &str) {
        // The state itself is a whole word, and a reason may hold it.
        let is_it = |link: &String| if part == "up" { link == part } else { link.contains(part) };
        self.until(part, |seen| seen.links.last().is_some_and(is_it)).await;
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        self.0.borrow().readings.iter().map(|(.., value)| *value).collect()
    }
}

/// A source that runs.
pub(crate) struct Run {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Run {
    /// Starts the source of a table, and tells it to stop at the end.
    pub(crate) fn start(table: &str, told: &Told) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: spawn_local(source(table).run(Box::new(told.clone()), stopped)) }
    }

    /// Stops it as the agent does.
    pub(crate) async fn stop(self) {
        self.stop.send(true).unwrap();
        timeout(PATIENCE, self.task).await.expect("a source stops").unwrap();
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// The source of a table.
pub(crate) fn source(table: &str) -> Box<dyn Source> {
    let document = Document::parse(Path::new("/etc/test.toml"), &format!("[sources.s]\n{table}"), |_| None);
    let (_, mut table) = document.root().named_tables("sources").remove(0);
    let read = read_source(&mut table, &context());
    table.finish();
    assert!(document.mistakes().is_empty(), "{}", document.render_all());
    read.unwrap().source
}

/// Runs a test in the runtime of an agent.
pub(crate) fn run_local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(test));
}

/// A folder of its own, gone afterwards.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("headwater-source-{}-{}", std::process::id(), next_number()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn next_number() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The device's end of a serial port, and the path of the other one.
pub(crate) fn port() -> (File, PathBuf) {
    let device = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&device).unwrap();
    unlockpt(&device).unwrap();
    let path = ptsname(&device, Vec::new()).unwrap();
    let path = Path::new(OsStr::from_bytes(path.as_bytes())).to_owned();
    (File::from(device), path)
}
