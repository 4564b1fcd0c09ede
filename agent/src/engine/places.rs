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

impl Places {
    /// The places of a source that has named no series.
    pub(super) fn new(share: Option<usize>, new_series: usize) -> Self {
        Self { share, new_series, left: None, refused: None }
    }

    /// Begins another message.
    pub(super) fn begin(&mut self) {
        (self.left, self.refused) = (Some(self.new_series), None);
    }

    /// Takes a place for a series, if it needs one. Whether there was one.
    pub(super) fn take(&mut self, pipeline: &Pipeline, source: usize, name: &str) -> bool {
        if !pipeline.is_new(source, name) {
            return true;
        }
        let full = self.share.filter(|share| pipeline.series_of(source) >= *share).map(Refused::Share);
        let refused = full.or((self.left == Some(0)).then_some(Refused::Message(self.new_series)));
        match refused {
            None => self.left = self.left.map(|left| left.saturating_sub(1)),
            Some(_) => self.refused = refused,
        }
        refused.is_none()
    }

    /// Why series of this message were refused, and the way out; `None`: not for want of a place of the source's own.
    pub(super) fn why_refused(&self) -> Option<String> {
        self.refused.map(|refused| match refused {
            Refused::Message(max) => format!(
                "a message brings more than {max} new series: readings of the others are refused, and later messages may \
                 bring them; raise [limits] new_series"
            ),
            Refused::Share(max) => format!(
                "the source has its {max} series: readings of further ones are refused; raise its `max_series`"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_pipeline::config::{Limits, read_streams};
    use headwater_pipeline::pipeline::SourceEntry;
    use headwater_settings::Document;
    use std::path::Path;

    #[test]
    fn a_message_and_a_source_have_shares() {
        let text = "[streams.a]\nseries = [\"s*\"]\nwindow = { type = \"none\" }\n";
        let document = Document::parse(Path::new("t.toml"), text, |_| None);
        let streams = read_streams(&mut document.root(), &[]);
        let limits = Limits { series: 100, new_series: 3, payload_bytes: 1, retained_bytes: 0 };
        let entry = SourceEntry { name: "x".to_owned(), future_ms: 0, is_durable: false };
        let mut pipeline = Pipeline::new("a", vec![entry], streams, limits);
        let mut places = Places::new(Some(5), 3);
        let mut message = |names: std::ops::Range<u32>| {
            places.begin();
            let took = names.filter(|n| {
                let name = format!("s{n}");
                places.take(&pipeline, 0, &name) && pipeline.introduce(0, &name, &[]).is_some()
            });
            (took.count(), places.why_refused().unwrap_or_default())
        };
        let (count, why) = message(0..10);
        assert!(count == 3 && why.contains("[limits] new_series"), "{count}: {why}");
        let (count, why) = message(0..10);
        assert!(count == 3 + 2 && why.contains("max_series"), "{count}: {why}");
        assert_eq!(message(0..5), (5, String::new()), "known ones need no place");
        assert!(places.take(&pipeline, 0, "unselected"));
    }
}
