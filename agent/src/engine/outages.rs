//! Since when outputs have been down, over restarts: kept in the checkpoint, so that the first answer after an outage
//! tells of all of it, whoever has stopped or crashed meanwhile.
//!
//! Times are steady: no correction of the clock makes an outage longer. A machine that was off and has no real-time clock
//! does not know for how long: that time is missing from the outage.

use super::Engine;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::SteadyTime;
use headwater_pipeline::event::ReportCause;

/// The shortest outage that is reported however many there are (s).
const TOLD_SECONDS: i64 = 60;

/// The outputs that are down, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outages(Vec<(String, SteadyTime)>);

impl Outages {
    /// Forgets outputs that the config does not have any more.
    pub(super) fn keep_only(&mut self, names: &[String]) {
        self.0.retain(|(name, _)| names.contains(name));
    }

    /// Notes that an output is down. Returns whether that is news.
    pub(super) fn begin(&mut self, name: &str, now: SteadyTime) -> bool {
        let news = self.0.iter().all(|(known, _)| known != name);
        if news {
            self.0.push((name.to_owned(), now));
        }
        news
    }

    /// The beginning of an output's outage; `None`: it is up.
    pub(super) fn end(&mut self, name: &str) -> Option<SteadyTime> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    pub(super) fn save(&self, to: &mut Vec<u8>) {
        let mut put = |bytes: &[u8]| to.extend_from_slice(bytes);
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).save(&mut put);
        for (name, since) in &self.0 {
            u32::try_from(name.len()).unwrap_or(u32::MAX).save(&mut put);
            put(name.as_bytes());
            since.save(&mut put);
        }
    }

    /// # Errors
    /// [`Corrupt`]: not written by [`Outages::save`].
    pub(super) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let mut outages = Vec::new();
        for _ in 0..u32::load(from)? {
            let length = u32::load(from)? as usize;
            let (name, rest) = from.rest().split_at_checked(length).ok_or(Corrupt)?;
            *from = StateReader::new(rest);
            let name = std::str::from_utf8(name).map_err(|_| Corrupt)?.to_owned();
            outages.push((name, SteadyTime::load(from)?));
        }
        Ok(Self(outages))
    }
}

impl Engine {
    /// An output is down, perhaps not for the first time since it answered last.
    pub(crate) fn on_output_down(&self, name: &str) {
        self.output_losses.on_down(name, crate::clock::up_ms());
        if self.reporter.on_output_down(name, self.clock.moment().steady) {
            self.note_own();
            self.checkpointer.request();
        }
    }

    /// An output has acknowledged something on a new connection; an outage is over, and told.
    pub(crate) fn on_output_answers(&self, name: &str) {
        let Some(seconds) = self.reporter.on_output_answers(name, self.clock.moment().steady) else { return };
        self.note_own();
        let outputs = self.forwarder().status().outputs;
        let is_careful = outputs.iter().any(|output| output.name == name && output.one_at_a_time.is_some());
        // Of many short ones in succession the status tells: each report would be one more message for the broker.
        if !is_careful || seconds >= TOLD_SECONDS {
            self.report(ReportCause::Outage, &format!("output {name} was down for {seconds} s"));
        }
        self.checkpointer.request();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_until_an_answer_and_over_a_checkpoint() {
        let mut outages = Outages::default();
        assert!(outages.begin("cloud", SteadyTime(1_000)) && outages.begin("lab", SteadyTime(2_000)));
        assert!(!outages.begin("cloud", SteadyTime(5_000)), "it has been down");
        let mut bytes = Vec::new();
        outages.save(&mut bytes);
        let mut loaded = Outages::load(&mut StateReader::new(&bytes)).unwrap();
        assert_eq!(loaded, outages);
        assert!((0..bytes.len()).all(|cut| Outages::load(&mut StateReader::new(&bytes[..cut])).is_err()));
        loaded.keep_only(&["cloud".to_owned()]);
        assert_eq!(
            (loaded.end("cloud"), loaded.end("cloud"), loaded.end("lab")),
            (Some(SteadyTime(1_000)), None, None)
        );
    }
}
