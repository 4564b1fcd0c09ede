//! What the engine does when memory is short; `memory.rs` says when that is.

use super::Engine;

impl Engine {
    /// Checks the memory for as long as the agent runs; never returns.
    pub(crate) async fn watch_memory(&self) {
        loop {
            self.look_at_memory();
            self.look().await;
        }
    }

    /// A source has named a series. One payload can bring many, so the memory is checked between two intervals too.
    pub(super) fn on_introduced(&self) {
        if self.memory.is_due() {
            self.look_at_memory();
        }
    }

    /// Why a series is refused, and the way out.
    pub(super) fn why_refused(&self) -> String {
        self.memory.trouble().unwrap_or_else(|| {
            "the limit on series is reached, and none was silent for [limits] forget: readings of further series are \
             refused; raise [limits] series"
                .to_owned()
        })
    }

    /// Lets a series give way that has been silent for long enough, with `of` one of that source's. Returns whether there was
    /// one.
    pub(super) fn make_room(&self, source: usize, of: Option<usize>) -> bool {
        let (now, mut pipeline) = (self.now(), self.pipeline.borrow_mut());
        let Some(name) = pipeline.most_silent(of, now) else { return false };
        self.journal.forgotten(source, &name, now);
        pipeline.forget(source, &name, now);
        self.forward_later(&mut pipeline);
        self.sources.on_forgotten(source, &name);
        true
    }

    fn look_at_memory(&self) {
        let Some(pressure) = self.memory.look() else { return };
        self.journal.pressure(pressure);
        self.pipeline.borrow_mut().on_pressure(pressure);
        self.on_status_changed();
        match self.memory.trouble() {
            Some(trouble) => tracing::warn!("{trouble}"),
            None => tracing::info!("memory is no longer short"),
        }
    }
}
