//! Readings at a steady rate: numbers, one after another, with the moments when the broker had them.

use crate::{Publisher, now_ms};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Readings at once.
const BURST: usize = 20;

/// Bursts a second.
const BURSTS_PER_S: u32 = 40;

/// Sensors that take turns.
pub(super) const PLACES: usize = 7;

/// A thread that publishes to the sensors' broker.
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The time of reading 0 [ms since the Unix epoch]; each is a millisecond later than the one before.
    pub(super) start_ms: i64,
}

#[derive(Default)]
struct Shared {
    /// So many readings were with the broker at that moment.
    published: Mutex<Vec<(Instant, usize)>>,
    stop: AtomicBool,
}

impl Load {
    /// None yet.
    pub(super) fn idle() -> Self {
        Self { shared: Arc::default(), thread: None, start_ms: 0 }
    }

    pub(super) fn start(port: u16) -> Self {
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let start_ms = now_ms();
        let thread = std::thread::spawn(move || {
            let (mut publisher, mut next) = (Publisher::new(port), 0);
            while !own.stop.load(Ordering::Relaxed) {
                for n in next..next + BURST {
                    publish(&mut publisher, start_ms, n);
                }
                publisher.flush().expect("the broker's acknowledgements");
                next += BURST;
                own.published.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), next));
                std::thread::sleep(Duration::from_secs(1) / BURSTS_PER_S);
            }
        });
        Self { shared, thread: Some(thread), start_ms }
    }

    /// Readings that the broker had at a moment, and no others are older.
    pub(super) fn published_at(&self, moment: Instant) -> usize {
        let published = self.shared.published.lock().unwrap_or_else(PoisonError::into_inner);
        let known = published.partition_point(|(at, _)| *at <= moment);
        known.checked_sub(1).map_or(0, |last| published[last].1)
    }

    /// Readings that the broker may have by now.
    pub(super) fn under_way(&self) -> usize {
        self.published_at(Instant::now()) + BURST
    }

    /// Ends it; how many there were.
    pub(super) fn stop(&mut self) -> usize {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the load's thread");
        }
        self.published_at(Instant::now())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// A series that nobody counts.
pub(super) const KNOCK: &str = "sensors/knock/n";

/// A reading that is not counted.
pub(super) fn knock(port: u16) {
    let mut publisher = Publisher::new(port);
    publisher.publish("sensors/knock", format!(r#"{{"ts":{},"n":0}}"#, now_ms())).expect("a publish");
    publisher.flush().expect("an acknowledgement");
}

fn publish(publisher: &mut Publisher, start_ms: i64, n: usize) {
    let time = start_ms + i64::try_from(n).unwrap_or(i64::MAX);
    let payload = format!(r#"{{"ts":{time},"n":{n}}}"#);
    publisher.publish(&format!("sensors/{}", n % PLACES), payload).expect("a publish");
}
