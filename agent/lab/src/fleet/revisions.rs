//! The revisions of one summary, of which one counts.

use super::entry::Entry;

/// The entries of one id that may still count, whatever the order in which they come. A higher `rev` takes the place of a
/// lower one, except that a partial one does not replace one of larger `count`.
#[derive(Debug, Default)]
pub(super) struct Revisions(Vec<Entry>);

impl Revisions {
    /// Adds an entry; one of a known `rev` says nothing new.
    pub(super) fn add(&mut self, entry: Entry) {
        let is_known = self.0.iter().any(|known| known.rev == entry.rev);
        if is_known || self.dominates(&entry) {
            return;
        }
        self.0.push(entry);
        let dominated: Vec<bool> = self.0.iter().map(|entry| self.dominates(entry)).collect();
        let mut dominated = dominated.into_iter();
        self.0.retain(|_| !dominated.next().unwrap_or(false));
    }

    fn dominates(&self, entry: &Entry) -> bool {
        let mut later = self.0.iter().filter(|known| known.rev > entry.rev);
        later.any(|later| !later.is_partial || entry.is_partial && later.count >= entry.count)
    }

    /// The entry that counts.
    pub(super) fn best(&self) -> Option<&Entry> {
        let mut sorted: Vec<&Entry> = self.0.iter().collect();
        sorted.sort_unstable_by_key(|entry| entry.rev);
        let replaces = |best: &Entry, entry: &Entry| !entry.is_partial || entry.count >= best.count;
        sorted.into_iter().reduce(|best, entry| if replaces(best, entry) { entry } else { best })
    }
}
