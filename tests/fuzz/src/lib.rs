//! What the targets share: a bound of memory, a sink for readings, and a runtime.

pub mod state;

use headwater_sensors::{
    ConnectionState, DecodeConfig, NAME_BYTES_MAX, SeriesRef, Sink, SourceContext, Stamp, TopicTemplate,
};
use headwater_settings::Document;
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that may be allocated at once, and in all (bytes): a number that stands in an input must not become memory before
/// what it counts is there.
const BLOCK_BYTES_MAX: usize = 64 << 20;
const BYTES_MAX: usize = 192 << 20;

/// The system's allocator, which ends the process past the bounds.
struct Bounded {
    bytes: AtomicUsize,
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded { bytes: AtomicUsize::new(0) };

impl Bounded {
    fn add(&self, more: usize) {
        let all = self.bytes.fetch_add(more, Ordering::Relaxed) + more;
        if more > BLOCK_BYTES_MAX || all > BYTES_MAX {
            // Room for the message.
            self.bytes.store(0, Ordering::Relaxed);
            panic!("too much memory: {more} bytes more, {all} in all");
        }
    }
}

// SAFETY: everything is the system's allocator; what is added is a count.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.bytes.fetch_sub(layout.size(), Ordering::Relaxed);
        self.add(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.bytes.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Puts an input among those that the run begins with: one that this program has made, whatever its version.
pub fn begin_with(name: &str, input: &[u8]) {
    if let Some(folder) = std::env::var_os("HEADWATER_FUZZ_INPUTS") {
        std::fs::write(Path::new(&folder).join(name), input).expect("the folder of the inputs");
    }
}

/// Runs something that waits for nothing but what it has.
pub fn run<T>(what: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(what))
}

/// What a source knows of its agent.
pub fn context() -> SourceContext {
    SourceContext {
        agent: "agent".into(),
        source: "source".into(),
        payload_bytes_max: 256 << 10,
        series_max: 1_000,
    }
}

/// The settings that a table gives, for these topics.
pub fn decoding(table: &str, topics: &[&str]) -> DecodeConfig {
    let document = Document::parse(Path::new("/etc/fuzz.toml"), table, |_| None);
    let mut root = document.root();
    let topics = topics.iter().map(|topic| TopicTemplate::parse(topic).expect("a topic")).collect();
    let labels = root.pairs("labels").map(|at| at.value).unwrap_or_default();
    let config = DecodeConfig::read(&mut root, &labels, Some(topics));
    root.finish();
    config.unwrap_or_else(|| panic!("{}", document.render_all()))
}

/// Takes readings, and checks what everybody behind a source relies on.
#[derive(Default)]
pub struct CheckedSink {
    numbers: HashMap<String, u64>,
}

/// The most series that it takes.
const SERIES_MAX: u64 = 1_000;

impl Sink for CheckedSink {
    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        assert!(name.len() <= NAME_BYTES_MAX, "a name of {} bytes", name.len());
        assert!(!name.contains(headwater_text::is_unsafe), "{name:?}");
        for (key, value) in labels {
            assert!(!key.contains(headwater_text::is_unsafe), "{key:?}");
            assert!(!value.contains(headwater_text::is_unsafe), "{value:?}");
        }
        let next = self.numbers.len() as u64;
        if let Some(number) = self.numbers.get(name) {
            return Some(SeriesRef(*number));
        }
        (next < SERIES_MAX).then(|| {
            self.numbers.insert(name.to_owned(), next);
            SeriesRef(next)
        })
    }

    fn reading(&mut self, series: SeriesRef, _: Stamp, value: f64) {
        assert!(series.0 < self.numbers.len() as u64 && value.is_finite(), "{series:?}: {value}");
    }

    fn refused(&mut self, _: u32) {}

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        let _ = format!("{origin}: {why}");
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}
