//! Another config for an engine that runs. What did not change goes on: the sources that stay, their series, windows and
//! detectors, the forwarder, the accounts.
//!
//! All of it happens between two readings, without a wait, and nothing waits for the disk afterwards. Until the first
//! checkpoint of the new config is durable, a crash leaves that of the config before and the journal of both: what the new
//! config tells meanwhile keeps to the revisions that the old checkpoint allows, and the next run tells above them.

use super::durable::Snapshot;
use super::{Engine, are_durable};
use crate::clock;
use crate::config::SourceConfig;
use headwater_pipeline::event::ReportCause;
use headwater_pipeline::pipeline::Pipeline;
use tokio::time::Instant;

/// What another config changes.
pub(crate) struct ConfigChange<'c> {
    /// The sources of the new config.
    pub(crate) sources: &'c [SourceConfig],
    /// Which of them go on, by their places in the config before.
    pub(crate) kept: &'c [Option<usize>],
    /// A new pipeline; `None`: streams, sources and limits are as they were.
    pub(crate) pipeline: Option<Pipeline>,
    /// The names of the outputs.
    pub(crate) outputs: &'c [String],
    /// The checksum of the config's text.
    pub(crate) checksum: u32,
    /// Whether the journal is to outlive the boot.
    pub(crate) is_synced: bool,
    /// The interval of checkpoints (ms).
    pub(crate) checkpoint_ms: i64,
}

impl Engine {
    /// Goes on with another config; sources that do not stay have ended. Answers the first checkpoint of the new config, for
    /// [`Engine::checkpoint_forever`].
    pub(crate) fn change(&self, change: ConfigChange<'_>) -> Snapshot {
        let ConfigChange { sources, kept, pipeline, outputs, checksum, is_synced, checkpoint_ms } = change;
        let begun = Instant::now();
        let is_new_life = pipeline.is_some();
        if is_new_life {
            // The accounts of streams and sources that go end here.
            self.report(ReportCause::Config, "the config is changed");
        }
        self.settle();
        let given_up = pipeline.map_or(0, |pipeline| self.change_pipeline(pipeline, kept));
        self.sources.change(sources, kept, clock::up_ms());
        self.all_durable.set(are_durable(sources));
        self.reporter.keep_outputs(outputs);
        self.trends.forget();
        self.journal.begin_config(checksum, is_new_life);
        self.journal.keep_synced(is_synced);
        self.checkpointer.begin_config();
        let first = self.snapshot(Some(checkpoint_ms));
        if given_up != 0 {
            let text =
                format!("{given_up} readings in open windows given up: the config has changed their streams");
            tracing::warn!("{text}");
            self.report(ReportCause::Refused, &text);
        }
        // A window of another stream may be due earlier.
        self.ticker.ring();
        self.on_status_changed();
        let readings_stopped_us = begun.elapsed().as_micros();
        tracing::debug!(readings_stopped_us, is_new_life, "went on with another config");
        first
    }

    /// Returns how many readings were in windows that the new config has no place for.
    fn change_pipeline(&self, mut next: Pipeline, kept: &[Option<usize>]) -> i64 {
        let (now, mut pipeline) = (self.now(), self.pipeline.borrow_mut());
        next.on_pressure(self.memory.pressure());
        let look = || self.memory.is_due().then(|| self.memory.look()).flatten();
        let source_of = |before: usize| kept.iter().position(|kept| *kept == Some(before));
        let given_up = next.take_over(&pipeline, now, source_of, look, |next| {
            next.stamp_with(self.clock.unsynced_boot());
            next.place_alerts(&|boot| self.clock.offset_of(boot));
        });
        *pipeline = next;
        given_up
    }
}
