//! Outputs that come and go with another config, while the engine runs. Those that stay keep their connections and what waits
//! for them.

use super::Running;
use super::parts::OutputChange;
use crate::config::OutputConfig;
use headwater_forwarder::NextOutput;

impl Running {
    /// Ends the outputs that go, and prepares for those that come. Returns what is to be said of messages that only those
    /// wanted that go. `None`: this cannot be while the engine runs, because such messages lie on disk.
    pub(super) async fn end_outputs(&self, change: &OutputChange) -> Option<Vec<String>> {
        if !change.moves() {
            return Some(Vec::new());
        }
        let forwarder = self.engine.forwarder();
        let gone: Vec<usize> = change.gone.iter().map(|(place, _)| *place).collect();
        if !forwarder.can_change(&gone, &change.come) {
            return None;
        }
        let mut said = Vec::new();
        for (place, name) in &change.gone {
            let given_up = forwarder.leave(*place).await?;
            tracing::info!(output = name, "the config no longer has this output: it is closed");
            if given_up > 0 {
                said.push(format!("{given_up} messages given up: the config no longer has output {name}"));
            }
        }
        forwarder.join(&change.come).await;
        Some(said)
    }

    /// Gives the outputs the places of the other config, and starts those that come. Returns those that have their place and
    /// another table.
    pub(super) fn rearrange_outputs(
        &self,
        outputs: Vec<OutputConfig>,
        change: &OutputChange,
    ) -> Vec<(usize, OutputConfig)> {
        let names: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
        let (mut next, mut replaced) = (Vec::new(), Vec::new());
        for ((place, output), before) in outputs.into_iter().enumerate().zip(&change.before) {
            match before {
                Some(before) => {
                    next.push(NextOutput::Same(*before));
                    if change.replaced.contains(&place) {
                        replaced.push((place, output));
                    }
                }
                None => next.push(NextOutput::Other(self.status.slot(output, &self.boots))),
            }
        }
        if change.moves() {
            self.losses.on_outputs(&self.engine, &names);
            self.status.on_outputs(names);
            self.engine.forwarder().rearrange(next);
        }
        replaced
    }
}
