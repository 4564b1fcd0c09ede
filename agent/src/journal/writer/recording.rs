//! Puts into a journal what happens.

use super::super::Place;
use super::super::record::IntakeCount;
use super::Journal;
use headwater_kernel::time::Now;
use headwater_pipeline::pipeline::{Pressure, TakenAt};
use headwater_sensors::Receipt;

impl Journal {
    #[inline]
    pub(crate) fn reading(&self, handle: u32, taken: TakenAt, value: f64, now: Now) {
        self.put(|to| to.reading(handle, taken, value, now));
    }

    pub(crate) fn series(&self, handle: u32, source: usize, name: &str, labels: &[(String, String)]) {
        self.put(|to| to.series(handle, source, name, labels));
    }

    pub(crate) fn replayed(&self, is_replayed: bool) {
        self.put(|to| to.replayed(is_replayed));
    }

    pub(crate) fn receipt(&self, source: usize, receipt: Receipt) {
        self.put(|to| to.receipt(source, receipt));
        if self.is_synced() {
            self.has_receipt.notify_one();
        }
    }

    pub(crate) fn position(&self, source: usize, key: &[u8], at: &[u8]) {
        self.put(|to| to.position(source, key, at));
        if self.is_synced() {
            self.has_receipt.notify_one();
        }
    }

    /// Returns when a message has come into a journal that is synced: somebody may wait for it.
    pub(crate) async fn has_receipt(&self) {
        self.has_receipt.notified().await;
    }

    pub(crate) fn forgotten(&self, source: usize, name: &str, now: Now) {
        self.put(|to| to.forgotten(source, name, now));
    }

    pub(crate) fn tick(&self, now: Now) {
        self.put(|to| to.tick(now));
    }

    pub(crate) fn link(&self, source: usize, is_up: bool, now: Now) {
        self.put(|to| to.link(source, is_up, now));
    }

    pub(crate) fn count(&self, count: IntakeCount, source: usize, number: u32) {
        self.put(|to| to.count(count, source, number));
    }

    pub(crate) fn rev_limit(&self, limit: Option<u32>) {
        self.put(|to| to.rev_limit(limit));
    }

    pub(crate) fn pressure(&self, pressure: Pressure) {
        self.put(|to| to.pressure(pressure));
    }

    pub(crate) fn message(&self, lane: u8, made_ms: i64, body: &[u8]) {
        self.put(|to| to.message(lane, made_ms, body));
    }

    pub(crate) fn engine(&self, sections: &[u8]) {
        self.put(|to| to.engine(sections));
    }

    pub(crate) fn kept(&self, place: Place) {
        self.put(|to| to.kept(place));
    }
}
