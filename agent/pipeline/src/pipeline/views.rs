//! Which series there are, for people who look.

use super::Pipeline;
use super::ids::SeriesId;
use super::series::SeriesHandle;
use crate::event::Labels;
use std::sync::Arc;

/// A series as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesView {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels, with its unit.
    pub labels: Labels,
    /// The streams that select it, in the order of the config.
    pub streams: Vec<Arc<str>>,
}

impl Pipeline {
    /// The series whose names have all of these words in them, in the order in which they came: at most `most`, and how
    /// many there are.
    #[must_use]
    pub fn find_series(&self, words: &str, most: usize) -> (Vec<SeriesView>, usize) {
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut count = 0;
        let mut found = Vec::new();
        for id in self.directory.ids() {
            let (name, _) = self.directory.describe(id);
            if words.iter().all(|word| name.contains(word)) {
                count += 1;
                if found.len() < most {
                    found.push(self.view(id));
                }
            }
        }
        (found, count)
    }

    /// A series by its name.
    #[must_use]
    pub fn series_named(&self, name: &str) -> Option<SeriesView> {
        self.directory.find(name).map(|id| self.view(id))
    }

    /// The handles under which sources bring a series.
    #[must_use]
    pub fn handles_of(&self, name: &str) -> Vec<SeriesHandle> {
        self.directory.find(name).map(|id| self.directory.handles_of(id)).unwrap_or_default()
    }

    fn view(&self, id: SeriesId) -> SeriesView {
        let (name, labels) = self.directory.describe(id);
        let takes = self.streams.configs().filter(|(stream, _)| self.channels.find(*stream, id).is_some());
        let streams = takes.map(|(_, config)| config.name.clone()).collect();
        SeriesView { name: name.clone(), labels: labels.clone(), streams }
    }
}
