//! Tells the outputs that announce what they will send what that is: at the start, and whenever a series comes, goes or
//! gets a unit, or an alert is raised or cleared.
//!
//! It looks when the windows are looked at, and compares one number. Without such an output it does nothing.

use super::supervisor::Supervisor;
use crate::config::{OutputConfig, SourceConfig};
use crate::engine::Engine;
use crate::tap::Onlooker;
use headwater_forwarder::{Catalogue, Origin};
use headwater_pipeline::event::Event;
use headwater_pipeline::pipeline::ChannelView;
use headwater_wire::OutputEncoder;
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Notify;

/// The name of the task.
pub(super) const CATALOGUES: &str = "catalogues";

/// Keeps the catalogues of the outputs.
pub(super) struct CatalogueKeeper {
    outputs: Vec<AnnouncedOutput>,
    /// The names of the sources.
    sources: Vec<String>,
    /// An alert was raised or cleared.
    alerted: Notify,
}

/// An output that announces.
struct AnnouncedOutput {
    /// Its place in the config.
    index: usize,
    name: String,
    encoder: OutputEncoder,
    /// Whether the log has said that there is too much to announce.
    has_warned: Cell<bool>,
}

impl Onlooker for CatalogueKeeper {
    fn on_event(&self, event: &Event) {
        if matches!(event, Event::Alert(_)) {
            self.alerted.notify_one();
        }
    }
}

impl CatalogueKeeper {
    /// A keeper for the outputs that announce. `None`: none does.
    pub(super) fn new(outputs: &[OutputConfig], sources: &[SourceConfig]) -> Option<Rc<Self>> {
        let announced = outputs.iter().enumerate().filter(|(_, output)| output.output.announces());
        let outputs: Vec<_> = announced
            .map(|(index, OutputConfig { name, encoder, .. })| AnnouncedOutput {
                index,
                name: name.clone(),
                encoder: encoder.clone(),
                has_warned: Cell::new(false),
            })
            .collect();
        let sources = sources.iter().map(|source| source.name.clone()).collect();
        (!outputs.is_empty()).then(|| Rc::new(Self { outputs, sources, alerted: Notify::new() }))
    }

    /// Begins to keep the catalogues, if any output announces.
    pub(super) fn start(keeper: Option<Rc<Self>>, engine: &Rc<Engine>, tasks: &mut Supervisor) {
        let Some(keeper) = keeper else { return };
        let engine = engine.clone();
        engine.taps().show_to(&keeper);
        tasks.spawn(CATALOGUES, async move { keeper.keep(&engine).await });
    }

    /// Keeps the catalogues; never returns.
    async fn keep(&self, engine: &Engine) {
        loop {
            let version = engine.names_version();
            for output in &self.outputs {
                engine.forwarder().announce(output.index, self.catalogue(engine, output));
            }
            while engine.names_version() == version {
                tokio::select! {
                    () = self.alerted.notified() => break,
                    () = engine.look() => {}
                }
            }
        }
    }

    fn catalogue(&self, engine: &Engine, output: &AnnouncedOutput) -> Catalogue {
        let mut entries = engine.with_channels(|channels| {
            let of = |view: ChannelView<'_>| output.encoder.catalogue(&view, &self.origin(&view));
            channels.flat_map(of).take(Catalogue::ENTRIES_MAX + 1).collect::<Vec<_>>()
        });
        if entries.len() > Catalogue::ENTRIES_MAX && !output.has_warned.replace(true) {
            let (output, most) = (&output.name, Catalogue::ENTRIES_MAX);
            tracing::warn!(
                output,
                "it announces {most} numbers and alerts and no more: name fewer `streams` or aggregates"
            );
        }
        entries.truncate(Catalogue::ENTRIES_MAX);
        Catalogue { entries }
    }

    fn origin(&self, view: &ChannelView<'_>) -> Origin {
        let only = || self.sources.first().filter(|_| self.sources.len() == 1);
        match view.source {
            _ if view.is_group => Origin::Agent,
            Some(source) => self.sources.get(source).cloned().map_or(Origin::Unknown, Origin::Source),
            None => only().cloned().map_or(Origin::Unknown, Origin::Source),
        }
    }
}
