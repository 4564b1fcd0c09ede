//! Parts that panic, and disks that take their time.

use super::*;
use crate::batches::{BatchOutput, BatchWriter, LineBatch};
use crate::store::memory::MemoryStore;
use crate::testing::Lines;
use crate::{Compactor, Disconnected, Lane, Opened, Sync as BufferSync, Tag, When};
use std::cell::Cell;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

/// Cannot be reached, or panics when it is tried again.
struct Down {
    panics: bool,
}

impl Output for Down {
    fn open(&mut self, _: &Arc<dyn Encoder>, _: Option<&Message>) -> Result<Opened, Disconnected> {
        assert!(!self.panics, "a test wants the output to panic");
        Err(Disconnected { reason: "down".into(), wait: Duration::from_secs(60) })
    }
}

thread_local! {
    /// The task that panics.
    static PANICS: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The task, or a panic if the test wants it.
pub(super) async fn injected(name: String, task: impl Future<Output = ()>) {
    assert!(PANICS.get() != Some(&name), "a test wants the task to panic");
    task.await;
}

/// Writes on a thread of its own, and panics.
struct BadWriter(BatchOutput);

impl Output for BadWriter {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, _: Option<&Message>) -> Result<Opened, Disconnected> {
        self.0.open(encoder, |_, _| Some(String::new()))
    }
}

struct Panics;

impl BatchWriter for Panics {
    fn begin(&mut self, _: &str) {}

    fn write(&mut self, _: &LineBatch, _: &mut Vec<Tag>) -> Result<(), String> {
        panic!("a test wants the writer to panic")
    }
}

impl Compactor for Panics {
    fn merge(&self, _: &[Message]) -> Option<Vec<Message>> {
        panic!("a test wants the compactor to panic")
    }
}

/// What fails within ten seconds.
async fn failure(forwarder: &Forwarder) -> String {
    timeout(Duration::from_secs(10), forwarder.failed()).await.unwrap()
}

/// On a thread of the disk's own.
fn start(store: &MemoryStore, panics: bool) -> Forwarder {
    let config =
        BufferConfig { when: When::Offline, sync: BufferSync::Every(60_000), ..BufferConfig::default() };
    start_with(store, Box::new(Down { panics }), config)
}

fn start_with(store: &MemoryStore, output: Box<dyn Output>, config: BufferConfig) -> Forwarder {
    let slot =
        OutputSlot { name: "cloud".into(), output, encoder: Arc::new(Lines { bytes: 0 }), presence: None };
    let start = Start { config, folder: "/nowhere".into(), outputs: vec![slot], clock: Arc::new(|| 0) };
    Forwarder::start_on(start, Some(Arc::new(Panics)), Box::new(store.clone()), DiskThread::start).unwrap()
}

fn push(forwarder: &Forwarder) {
    forwarder.push(Message { lane: Lane::Data, made_ms: 0, body: "b".into() });
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_part_that_panics_is_named() {
    run(async {
        let forwarder = start(&MemoryStore::default(), true);
        assert_eq!(failure(&forwarder).await, "the task `output cloud` of the forwarder panicked");
        for task in ["disk writer", "buffer cleaner", "disk sync", "output cloud"] {
            PANICS.set(Some(task));
            let forwarder = start(&MemoryStore::default(), false);
            assert_eq!(failure(&forwarder).await, format!("the task `{task}` of the forwarder panicked"));
        }
        PANICS.set(None);
    });
}

#[test]
fn a_thread_that_panics_is_named() {
    run(async {
        let output = Box::new(BadWriter(BatchOutput::new(Panics, Duration::ZERO)));
        let forwarder = start_with(&MemoryStore::default(), output, BufferConfig::default());
        push(&forwarder);
        assert_eq!(failure(&forwarder).await, "a thread of the output `cloud` panicked");
        let buffer = "the thread `buffer` that works on the disk panicked";
        let store = MemoryStore::default();
        store.0.lock().unwrap().panics = Some("open");
        let forwarder = start(&store, false);
        assert_eq!(failure(&forwarder).await, buffer);
        assert!(!forwarder.write_down(Instant::now() + Duration::from_millis(100)).await);
        let store = MemoryStore::default();
        store.0.lock().unwrap().panics = Some("sync");
        let forwarder = start(&store, false);
        push(&forwarder);
        let deadline = Instant::now() + Duration::from_secs(1);
        assert!(!forwarder.write_down(deadline).await);
        assert_eq!(failure(&forwarder).await, buffer);
        assert!(forwarder.status().disk_error.is_some());
        assert!(!forwarder.stop(Instant::now() + Duration::from_secs(1)).await);
    });
}

/// What waits is not lost because it cannot be merged, and the thread goes on.
#[test]
fn a_compactor_that_panics_ends_nothing() {
    run(async {
        let config = BufferConfig {
            max_size: 40_000,
            memory_bytes_max: 20_000,
            sync: BufferSync::Always,
            ..BufferConfig::default()
        };
        let forwarder = start_with(&MemoryStore::default(), Box::new(Down { panics: false }), config);
        let fill = async {
            loop {
                push(&forwarder);
                tokio::task::yield_now().await;
            }
        };
        let told = async {
            loop {
                if let ForwarderEvent::Damaged { count, what } = forwarder.event().await {
                    return (count, what);
                }
            }
        };
        tokio::select! {
            (count, what) = told => assert!(count == 0 && what.contains("cannot be merged"), "{what}"),
            failed = failure(&forwarder) => panic!("{failed}"),
            () = fill => {}
        }
    });
}

#[test]
fn nothing_fails_at_a_stop_and_what_waits_is_written_before() {
    run(async {
        let store = MemoryStore::default();
        let forwarder = start(&store, false);
        push(&forwarder);
        assert!(forwarder.write_down(Instant::now() + Duration::from_secs(10)).await);
        assert_eq!(store.0.lock().unwrap().batches().count(), 1);
        push(&forwarder);
        let failed = forwarder.failed();
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(10)).await);
        assert_eq!(store.0.lock().unwrap().batches().count(), 2);
        assert!(timeout(Duration::from_millis(200), failed).await.is_err());
    });
}

#[test]
fn a_buffer_that_takes_its_time_to_open_holds_up_no_start() {
    run(async {
        let store = MemoryStore::default();
        let before = start(&store, false);
        push(&before);
        assert!(before.stop(Instant::now() + Duration::from_secs(10)).await);
        store.0.lock().unwrap().opening_takes = Duration::from_secs(1);
        let begun = Instant::now();
        let forwarder = start(&store, false);
        let empty = forwarder.position();
        push(&forwarder);
        let position = forwarder.position();
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        assert!(forwarder.is_kept(&empty) && !forwarder.is_kept(&position));
        assert_eq!(forwarder.account().waiting, 1);
        forwarder.opened().await;
        assert!(forwarder.is_kept(&empty) && !forwarder.is_kept(&position), "its number has grown");
        assert_eq!(forwarder.account().waiting, 2);
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(10)).await);
        assert_eq!(store.0.lock().unwrap().batches().count(), 2);
    });
}

#[test]
fn a_disk_that_takes_its_time_holds_up_no_stop() {
    run(async {
        let store = MemoryStore::default();
        store.0.lock().unwrap().sync_takes = Duration::from_secs(5);
        let forwarder = start(&store, false);
        push(&forwarder);
        let begun = Instant::now();
        assert!(!forwarder.write_down(begun + Duration::from_millis(300)).await);
        assert!(!forwarder.stop(begun + Duration::from_secs(1)).await);
        assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
        // Given the time, it is told that all is safe.
        let forwarder = start(&store, false);
        push(&forwarder);
        let begun = Instant::now();
        assert!(forwarder.stop(begun + Duration::from_secs(16)).await);
        assert!(begun.elapsed() < Duration::from_secs(16));
    });
}
