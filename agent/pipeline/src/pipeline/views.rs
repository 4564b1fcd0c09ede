//! Which series there are, for people who look.

use super::Pipeline;
use super::ids::SeriesId;
use super::series::SeriesHandle;
use crate::config::StreamConfig;
use crate::event::{Labels, Subject};
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

/// One series in one stream, or a group of series: what there will be messages of.
#[derive(Clone)]
pub struct ChannelView<'p> {
    /// The subject of its events.
    pub about: Subject,
    /// The stream.
    pub stream: &'p StreamConfig,
    /// Whether it is a group, which has alerts only.
    pub is_group: bool,
    /// Index of the source that named it first; `None`: none has in this run, or it is a group.
    pub source: Option<usize>,
    /// The names of its detectors, each with whether its alert stands.
    pub alerts: Vec<(&'p str, bool)>,
}

impl Pipeline {
    /// Another number whenever there are other [`Pipeline::channels`]; what alerts stand is left out of that.
    #[must_use]
    pub fn names_version(&self) -> u64 {
        self.directory.version()
    }

    /// Every series in every stream, then every group that has its series, each in the order in which they came.
    pub fn channels(&self) -> impl Iterator<Item = ChannelView<'_>> {
        let channels = self.channels.list.iter().filter_map(|channel| {
            let stream = self.streams.config(channel.stream)?;
            let (name, labels) = self.directory.describe(channel.series);
            Some(ChannelView {
                about: self.emitter.about(stream, name.clone(), labels.clone()),
                stream,
                is_group: false,
                source: self.directory.sources(channel.series).and_then(|mut sources| sources.next()),
                alerts: channel.watching.alerts(stream).collect(),
            })
        });
        let groups = self.groups.views().filter_map(|group| {
            let stream = self.streams.config(group.stream)?;
            let detector = stream.groups.get(group.detector)?;
            Some(ChannelView {
                about: self.emitter.about(stream, group.name.clone(), group.labels.clone()),
                stream,
                is_group: true,
                source: None,
                alerts: vec![(detector.name.as_str(), group.stands)],
            })
        });
        channels.chain(groups)
    }

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
