//! Another config for a pipeline that runs: it hands its state over to the pipeline of that config.
//!
//! The state goes through the sections of a checkpoint, which match streams, windows and detectors with the config: what
//! did not change goes on as it was. Sources that stay keep the handles of their series.

use super::restore::LostReadings;
use super::{Pipeline, Pressure};
use crate::sections::body::StoredBody;
use crate::sections::unread::Unread;
use headwater_kernel::time::{AgentTime, Now};

impl Pipeline {
    /// Takes over the state of the pipeline that has run so far; this one is new. `source_of` tells the place here of each
    /// source there; `None`: it has gone, or begins anew. `prepare` is called between restoring and resuming. `look` is that
    /// of [`Pipeline::restore_within`]. Returns how many readings were in windows that end without a word.
    pub fn take_over(
        &mut self,
        before: &Self,
        now: Now,
        source_of: impl Fn(usize) -> Option<usize>,
        look: impl Fn() -> Option<Pressure>,
        prepare: impl FnOnce(&mut Self),
    ) -> LostReadings {
        let (mut body, mut unread) = (Vec::new(), Unread::default());
        before.save(now, &mut body);
        // No reading was missed: silence counts from where it began.
        let given_up = self.restore_within(AgentTime::MIN, StoredBody::new(&body), look, &mut unread);
        debug_assert!(unread.is_empty(), "what was just saved can be read: {unread}");
        self.resume(now, false);
        // Until a checkpoint of this config is durable, a crash leaves one of the config before.
        self.emitter.revisions.keep_limit(&before.emitter.revisions);
        if let Some(limit) = self.emitter.revisions.limit() {
            self.limit_revisions(limit);
        }
        prepare(self);
        self.keep_handles(before, &source_of);
        for source in before.sources_down().filter_map(source_of) {
            self.on_link(source, false, now);
        }
        given_up.unwrap_or(0)
    }

    /// Keeps the handles of series that a source still names and a stream still selects.
    fn keep_handles(&mut self, before: &Self, source_of: &impl Fn(usize) -> Option<usize>) {
        for (handle, source, name, labels) in before.directory.handles() {
            let Some(entry) = before.directory.entry(handle) else { continue };
            let Some(source) = source_of(source) else { continue };
            // One handle stands for all that was not selected.
            if entry.channels.is_empty() || !self.selects(source, name) {
                continue;
            }
            let Self { directory, channels, streams, emitter, .. } = self;
            let later_cuts = emitter.later_cuts;
            let mut new = Vec::new();
            directory.keep((handle, entry.heard), source, (name, labels), |id| {
                channels.of_series((source, name), id, (streams, later_cuts), &mut new)
            });
            self.introduce_channels(name, new);
        }
        self.directory.begin_after(&before.directory);
    }
}
