//! What looks at a device have found, on its way from the thread to the sink.
//!
//! Limits: [`SERIES_MAX`] series of a source; readings of further ones are refused and counted. A series that is known costs
//! no allocation.

use super::PolledConfig;
use crate::safe_name::safe;
use crate::{Finding, SeriesRef, Sink, Stamp};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};

/// The most series of one source.
const SERIES_MAX: usize = 4_096;

/// The devices that are remembered, to say which one is gone.
const DEVICES_MAX: usize = 256;

/// The series that a person is shown.
const SHOWN: usize = 6;

/// One series of a source that looks at devices.
struct PolledSeries {
    /// As it was found.
    found: String,
    /// `None`: it is not wanted.
    name: Option<String>,
    unit: String,
    place: Option<SeriesRef>,
}

/// The readings of one look, and the series of all of them.
pub(crate) struct PolledReadings {
    config: PolledConfig,
    series: Vec<PolledSeries>,
    numbers: HashMap<String, usize>,
    /// The devices that were there, and whether the present look has found them.
    devices: BTreeMap<String, bool>,
    readings: Vec<(usize, f64)>,
    /// What is to be stored with the readings: its key, and what it is.
    positions: Vec<(Vec<u8>, Vec<u8>)>,
    /// What was no reading: where, and why.
    invalid: Vec<(String, String)>,
    /// Readings of series beyond the limit.
    refused: u32,
    /// What a person should know, while it lasts.
    trouble: Option<String>,
    was_in_trouble: bool,
    /// The looks so far, and how many series there were when the config's words were compared with them.
    looks: u32,
    compared: usize,
    /// A word of the config that is of nothing here.
    idle_word: Option<String>,
    scratch: String,
}

impl PolledReadings {
    pub(crate) fn new(config: PolledConfig) -> Self {
        Self {
            config,
            series: Vec::new(),
            numbers: HashMap::new(),
            devices: BTreeMap::new(),
            readings: Vec::new(),
            positions: Vec::new(),
            invalid: Vec::new(),
            refused: 0,
            trouble: None,
            was_in_trouble: false,
            looks: 0,
            compared: 0,
            idle_word: None,
            scratch: String::new(),
        }
    }

    /// Takes a value [unit] of the series of this name; no unit: it is not known.
    pub(crate) fn reading(&mut self, name: fmt::Arguments<'_>, unit: &str, value: f64) {
        self.scratch.clear();
        // Writing to a string cannot fail.
        let _ = self.scratch.write_fmt(name);
        let number = match self.numbers.get(&self.scratch) {
            Some(number) => *number,
            None if self.series.len() < SERIES_MAX => self.add(unit),
            None => {
                self.refused += 1;
                return;
            }
        };
        if self.series.get(number).is_some_and(|series| series.name.is_none()) {
            return;
        }
        if value.is_finite() {
            self.readings.push((number, value));
        } else {
            self.invalid.push((self.scratch.clone(), "the value is no number".to_owned()));
        }
    }

    fn add(&mut self, unit: &str) -> usize {
        let (found, number) = (self.scratch.clone(), self.series.len());
        let name = self.config.series_name(&found);
        self.numbers.insert(found.clone(), number);
        self.series.push(PolledSeries { found, name, unit: unit.to_owned(), place: None });
        number
    }

    /// Stores with the readings how far an input is read, for the next run.
    pub(crate) fn position(&mut self, key: &[u8], at: &[u8]) {
        self.positions.push((key.to_vec(), at.to_vec()));
    }

    /// Notes that a device is there, so that it is missed when it is gone.
    pub(crate) fn device(&mut self, name: &str) {
        if let Some(is_there) = self.devices.get_mut(name) {
            *is_there = true;
        } else if self.devices.len() < DEVICES_MAX {
            self.devices.insert(name.to_owned(), true);
        }
    }

    /// Counts what was read and is no value.
    pub(crate) fn invalid(&mut self, what: &str, why: impl fmt::Display) {
        self.invalid.push((what.to_owned(), why.to_string()));
    }

    /// Says what a person should know, as long as looks say it; the first one of a look counts.
    pub(crate) fn trouble(&mut self, what: impl fmt::Display) {
        self.trouble.get_or_insert_with(|| what.to_string());
    }

    /// The readings of the looks so far, under the names that were found.
    #[cfg(test)]
    pub(crate) fn values(&self) -> Vec<(String, f64)> {
        self.readings.iter().map(|(number, value)| (self.series[*number].found.clone(), *value)).collect()
    }

    #[cfg(test)]
    pub(crate) fn positions(&self) -> Vec<crate::SourcePosition> {
        let all = self.positions.iter();
        all.map(|(key, at)| crate::SourcePosition { key: key.clone(), at: at.clone() }).collect()
    }

    #[cfg(test)]
    pub(crate) fn invalid_whys(&self) -> Vec<String> {
        self.invalid.iter().map(|(_, why)| why.clone()).collect()
    }

    /// Hands over the readings of a look.
    pub(super) fn deliver(&mut self, sink: &mut dyn Sink) {
        sink.message();
        for (number, value) in self.readings.drain(..) {
            let Some(series) = self.series.get_mut(number) else { continue };
            if series.place.is_none() {
                series.place = series.introduce(&self.config.labels, sink);
            }
            match series.place {
                Some(place) => sink.reading(place, Stamp::Arrival, value),
                None => sink.refused(1),
            }
        }
        self.positions.drain(..).for_each(|(key, at)| {
            sink.position(&key, &at);
        });
        if self.refused > 0 {
            sink.refused(std::mem::take(&mut self.refused));
        }
        self.invalid.drain(..).for_each(|(what, why)| sink.invalid(&what, &why));
        let gone = self.devices.iter().find(|(_, is_there)| !**is_there);
        let gone = gone.map(|(name, _)| format!("{name} was there and is gone"));
        self.compare_words();
        let trouble = self.trouble.take().or(gone).or_else(|| self.idle_word.clone());
        self.devices.values_mut().for_each(|is_there| *is_there = false);
        if trouble.is_some() || self.was_in_trouble {
            sink.trouble(trouble.as_deref());
        }
        self.was_in_trouble = trouble.is_some();
    }

    /// Compares the words of the config with what there is. The first look does not find all: some is the difference of two.
    fn compare_words(&mut self) {
        self.looks = self.looks.saturating_add(1);
        if self.looks < 2 || self.compared == self.series.len() {
            return;
        }
        self.compared = self.series.len();
        let found: Vec<&str> = self.series.iter().map(|series| series.found.as_str()).collect();
        self.idle_word = self.config.idle_word(&found);
    }

    /// What the look has found, for people.
    pub(super) fn finding(&self) -> Finding {
        let shown = self.readings.iter().take(SHOWN).filter_map(|(number, value)| {
            let series = self.series.get(*number)?;
            let blank = if series.unit.is_empty() || series.unit == "%" { "" } else { " " };
            Some(format!("{} {}{blank}{}", series.found, (value * 1_000.0).round() / 1_000.0, series.unit))
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = match self.readings.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let invalid = self.invalid.first().map(|(what, why)| format!("{what}: {why}"));
        match (self.trouble.clone().or(invalid), self.readings.is_empty()) {
            (Some(what), true) => Finding::Fails(what),
            (Some(what), false) => Finding::Note(format!("{shown}{more}; {what}")),
            (None, true) => Finding::Note("nothing of what is there is wanted: see `only`".to_owned()),
            (None, false) => Finding::Works(format!("{shown}{more}")),
        }
    }
}

impl PolledSeries {
    fn introduce(&self, labels: &[(String, String)], sink: &mut dyn Sink) -> Option<SeriesRef> {
        let raw = self.name.as_deref().unwrap_or_default();
        let name = safe(raw);
        if name != raw {
            sink.renamed(raw, &name);
        }
        if !self.unit.is_empty() {
            sink.unit(&self.unit);
        }
        sink.series(&name, labels)
    }
}
