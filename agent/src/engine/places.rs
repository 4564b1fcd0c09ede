//! Places of series, shared fairly: one message cannot take all of them, nor one source more than its share.

use headwater_pipeline::Pipeline;

/// The places that a source may still take.
pub(super) struct Places {
    /// The most series of the source.
    share: Option<usize>,
    /// The most series that a message may bring anew.
    new_series: usize,
    /// How many more the present message may bring; `None`: the source has no messages.
    left: Option<usize>,
    /// Why a series of the present message was refused.
    refused: Option<Refused>,
}

#[derive(Clone, Copy)]
enum Refused {
    Message(usize),
    Share(usize),
}

/// What a series needs before it can have a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Nothing,
    /// Another series must give way, with a source one of that source's.
    Room(Option<usize>),
    /// The present message has brought all that it may.
    Refused,
}

impl Places {
    /// The places of a source that has named no series.
    pub(super) fn new(share: Option<usize>, new_series: usize) -> Self {
        Self { share, new_series, left: None, refused: None }
    }

    /// Begins another message.
    pub(super) fn begin(&mut self) {
        (self.left, self.refused) = (Some(self.new_series), None);
    }

    /// What a series needs; a new one of this message is counted.
    pub(super) fn wanted(&mut self, pipeline: &Pipeline, source: usize, name: &str) -> Wanted {
        if !pipeline.is_new(source, name) {
            return Wanted::Nothing;
        }
        if self.left == Some(0) {
            return Wanted::Refused;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.share.is_some_and(|share| pipeline.series_of(source) >= share) {
            return Wanted::Room(Some(source));
        }
        if pipeline.is_full() { Wanted::Room(None) } else { Wanted::Nothing }
    }

    /// What was wanted could not be had.
    pub(super) fn refuse(&mut self, wanted: Wanted) {
        self.refused = match wanted {
            Wanted::Nothing => self.refused,
            Wanted::Room(of) => of.and(self.share).map(Refused::Share),
            Wanted::Refused => Some(Refused::Message(self.new_series)),
        };
        if let Wanted::Room(_) = wanted {
            self.left = self.left.map(|left| left + 1);
        }
    }

    /// Why series of this message were refused, and the way out; `None`: not for want of a place of the source's own.
    pub(super) fn why_refused(&self) -> Option<String> {
        self.refused.map(|refused| match refused {
            Refused::Message(max) => format!(
                "a message brings more than {max} new series: readings of the others are refused, and later messages may \
                 bring them; raise [limits] new_series"
            ),
            Refused::Share(max) => format!(
                "the source has its {max} series, and none was silent for [limits] forget: readings of further ones are \
                 refused; raise its `max_series`"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_pipeline::config::{Limits, no_models, read_streams};
    use headwater_pipeline::pipeline::SourceEntry;
    use headwater_settings::Document;
    use std::path::Path;

    fn pipeline(series: usize) -> Pipeline {
        let text = "[streams.a]\nseries = [\"s*\"]\nwindow = { type = \"none\" }\n";
        let document = Document::parse(Path::new("t.toml"), text, |_| None);
        let streams = read_streams(&mut document.root(), &[], &no_models);
        let limits = Limits { series, new_series: 3, forget_ms: 5, payload_bytes: 1, retained_bytes: 0 };
        let entry = SourceEntry { name: "x".to_owned(), future_ms: 0, is_durable: false };
        Pipeline::new("a", vec![entry], streams, limits)
    }

    #[test]
    fn a_message_and_a_source_have_shares() {
        let mut pipeline = pipeline(100);
        let mut places = Places::new(Some(5), 3);
        let mut message = |names: std::ops::Range<u32>| {
            places.begin();
            let took = names.filter(|n| {
                let name = format!("s{n}");
                let wanted = places.wanted(&pipeline, 0, &name);
                if wanted != Wanted::Nothing {
                    places.refuse(wanted);
                }
                wanted == Wanted::Nothing && pipeline.introduce(0, &name, &[]).is_some()
            });
            (took.count(), places.why_refused().unwrap_or_default())
        };
        let (count, why) = message(0..10);
        assert!(count == 3 && why.contains("[limits] new_series"), "{count}: {why}");
        let (count, why) = message(0..10);
        assert!(count == 3 + 2 && why.contains("max_series"), "{count}: {why}");
        assert_eq!(message(0..5), (5, String::new()), "known ones need no place");
        assert_eq!(places.wanted(&pipeline, 0, "unselected"), Wanted::Nothing);
    }

    #[test]
    fn a_share_is_filled_from_its_own_and_the_limit_from_all() {
        let mut pipeline = pipeline(2);
        let mut places = Places::new(Some(1), 3);
        for (source, name, wanted) in
            [(0, "s1", Wanted::Nothing), (0, "s2", Wanted::Room(Some(0))), (1, "s2", Wanted::Nothing)]
        {
            assert_eq!(places.wanted(&pipeline, source, name), wanted);
            if wanted == Wanted::Nothing {
                pipeline.introduce(source, name, &[]);
            }
        }
        assert_eq!(Places::new(None, 3).wanted(&pipeline, 0, "s3"), Wanted::Room(None));
    }
}
