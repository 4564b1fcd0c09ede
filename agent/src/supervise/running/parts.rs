//! The parts of a config that a change of it is judged by.

use crate::clock::ClockConfig;
use crate::config::{AgentConfig, Config};
use headwater_forwarder::BufferConfig;
use headwater_pipeline::config::Limits;

/// What is remembered of the config that an agent runs with.
pub(super) struct ConfigParts {
    agent: AgentConfig,
    pub(super) buffer: BufferConfig,
    limits: Limits,
    clock: ClockConfig,
    streams_print: u64,
    /// The sources as the pipeline knows them: name, `future` (ms), and whether they deliver again.
    sources: Vec<(String, i64, bool)>,
    /// The outputs: their names, and the fingerprints of their tables.
    outputs: Vec<(String, u64)>,
    /// Whether the journal is to outlive the boot.
    pub(super) is_synced: bool,
    /// The interval of checkpoints (ms).
    pub(super) checkpoint_ms: i64,
    /// The interval of reports (ms).
    pub(super) report_ms: i64,
}

/// What becomes of the outputs under another config.
pub(super) struct OutputChange {
    /// The place that each had so far; `None`: it is new.
    pub(super) before: Vec<Option<usize>>,
    /// Those that go: their places so far, and their names.
    pub(super) gone: Vec<(usize, String)>,
    /// The names of those that come.
    pub(super) come: Vec<String>,
    /// The places, under the other config, of those whose table is another one.
    pub(super) replaced: Vec<usize>,
}

impl OutputChange {
    /// Whether outputs come, go or change their places.
    pub(super) fn moves(&self) -> bool {
        let is_same = |(place, before): (usize, &Option<usize>)| *before == Some(place);
        !self.gone.is_empty() || !self.before.iter().enumerate().all(is_same)
    }
}

impl ConfigParts {
    /// Those of a config.
    pub(super) fn of(config: &Config) -> Self {
        let Config { agent, sources, outputs, buffer, limits, clock, streams_print, .. } = config;
        let known = sources
            .iter()
            .map(|source| (source.name.clone(), source.future_ms, source.source.redelivers()))
            .collect();
        Self {
            agent: agent.clone(),
            buffer: buffer.clone(),
            limits: *limits,
            clock: *clock,
            streams_print: *streams_print,
            sources: known,
            outputs: outputs.iter().map(|output| (output.name.clone(), output.print)).collect(),
            is_synced: sources.iter().any(|source| source.source.is_durable()),
            checkpoint_ms: agent.checkpoint_ms,
            report_ms: agent.report_ms,
        }
    }

    /// The names of the outputs.
    pub(super) fn output_names(&self) -> Vec<String> {
        self.outputs.iter().map(|(name, _)| name.clone()).collect()
    }

    /// What of another config cannot change while the engine runs, in words; `None`: nothing.
    pub(super) fn why_restart(&self, next: &Self) -> Option<&'static str> {
        let has_other_place = (&self.agent.state_dir, &self.agent.runtime_dir)
            != (&next.agent.state_dir, &next.agent.runtime_dir);
        let changed = [
            (self.agent.id != next.agent.id, "the agent's id"),
            (has_other_place, "a directory of the agent"),
            (self.buffer != next.buffer, "[buffer]"),
            (self.clock != next.clock, "[clock]"),
        ];
        changed.into_iter().find_map(|(is_changed, what)| is_changed.then_some(what))
    }

    /// What becomes of the outputs under another config.
    pub(super) fn changed_outputs(&self, next: &Self) -> OutputChange {
        let place_in =
            |outputs: &[(String, u64)], name: &str| outputs.iter().position(|(own, _)| own == name);
        let before: Vec<_> = next.outputs.iter().map(|(name, _)| place_in(&self.outputs, name)).collect();
        let gone = self.outputs.iter().enumerate();
        let gone = gone.filter(|(_, (name, _))| place_in(&next.outputs, name).is_none());
        let print = |place: usize| self.outputs.get(place).map(|(_, print)| *print);
        let replaced = before.iter().zip(&next.outputs).enumerate();
        let replaced =
            replaced.filter(|(_, (before, (_, own)))| before.is_some_and(|at| print(at) != Some(*own)));
        let come = before.iter().zip(&next.outputs).filter(|(before, _)| before.is_none());
        OutputChange {
            gone: gone.map(|(place, (name, _))| (place, name.clone())).collect(),
            come: come.map(|(_, (name, _))| name.clone()).collect(),
            replaced: replaced.map(|(place, _)| place).collect(),
            before,
        }
    }

    /// Whether another config asks for another pipeline.
    pub(super) fn changes_pipeline(&self, next: &Self) -> bool {
        (self.streams_print, &self.sources, self.limits) != (next.streams_print, &next.sources, next.limits)
    }
}
