//! What an output will send of a series or a group: the numbers of its summaries and its alerts, under the names that may
//! leave.

use super::figures::role_and_unit;
use super::output::OutputEncoder;
use headwater_forwarder::{CatalogueEntry, Content, Origin, Role};
use headwater_pipeline::config::WindowConfig;
use headwater_pipeline::event::{KINDS, Subject};
use headwater_pipeline::pipeline::ChannelView;
use headwater_pipeline::unit;

impl OutputEncoder {
    /// The entries of one series in one stream, or of a group, in the order of the config.
    #[must_use]
    pub fn catalogue(&self, view: &ChannelView<'_>, origin: &Origin) -> Vec<CatalogueEntry> {
        let mut about = view.about.clone();
        if let Some(privacy) = &self.privacy {
            privacy.of_subject(&mut about);
        }
        let entry = |(kind, content)| CatalogueEntry {
            kind,
            stream: about.stream.to_string(),
            series: about.series.to_string(),
            origin: origin.clone(),
            content,
        };
        let [summary, reading, alert, ..] = KINDS;
        let mut contents = Vec::new();
        if !view.is_group {
            match &view.stream.window {
                WindowConfig::Cut(specs) if self.wants(summary, &about.stream) => {
                    let expires_ms = specs.told_within_ms();
                    let names = view.stream.plan.names();
                    contents.extend(names.map(|name| (summary, of_aggregate(name, &about, expires_ms))));
                }
                WindowConfig::None(_) if self.wants(reading, &about.stream) => {
                    let (key, unit) = ("value".to_owned(), unit::of(&about.labels).map(str::to_owned));
                    let (time_key, expires_ms) = ("time", None);
                    let value = Content::Number { key, time_key, unit, role: Role::Value, expires_ms };
                    contents.push((reading, value));
                }
                _ => {}
            }
        }
        if self.wants(alert, &about.stream) {
            let alerts = view.alerts.iter();
            contents.extend(alerts.map(|(detector, stands)| {
                (alert, Content::Alert { detector: (*detector).to_owned(), stands: *stands })
            }));
        }
        contents.into_iter().map(entry).collect()
    }
}

fn of_aggregate(name: &str, about: &Subject, expires_ms: Option<i64>) -> Content {
    let (role, unit) = role_and_unit(name, &about.labels);
    Content::Number { key: name.to_owned(), time_key: "end", unit, role, expires_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Privacy, Unplaced};
    use headwater_pipeline::Pipeline;
    use headwater_pipeline::config::{Limits, no_models, read_streams};
    use headwater_pipeline::pipeline::SourceEntry;
    use headwater_settings::Document;
    use std::path::Path;
    use std::sync::Arc;

    const STREAMS: &str = "[streams.climate]\nseries = [\"*/temp\"]\n\
        window = { type = \"tumbling\", size = \"1m\" }\naggregates = [\"count\", \"mean\", \"increase\", \"p95\"]\n\
        [[streams.climate.detectors]]\ntype = \"threshold\"\nabove = 30\n\
        [streams.raw]\nwindow = { type = \"none\" }\n";

    fn pipeline() -> Pipeline {
        let document = Document::parse(Path::new("test.toml"), STREAMS, |_| None);
        let streams = read_streams(&mut document.root(), &["home".to_owned()], &no_models);
        assert!(!document.has_errors(), "{:?}", document.mistakes());
        let source = SourceEntry { name: "home".into(), future_ms: 1_000, is_durable: false };
        let limits = Limits {
            series: 10,
            new_series: 10,
            forget_ms: 1_000,
            payload_bytes: 1_000,
            retained_bytes: 1 << 20,
        };
        let mut pipeline = Pipeline::new("g7", vec![source], streams, limits);
        let labels = [("room".to_owned(), "attic".to_owned())];
        let labels = unit::with_unit(&labels, Some("Cel".to_owned())).into_owned();
        assert!(pipeline.introduce(0, "attic/temp", &labels).is_some());
        pipeline
    }

    fn entries(kinds: Option<&[&str]>, privacy: Option<Privacy>) -> Vec<CatalogueEntry> {
        let kinds = kinds.map(|kinds| kinds.iter().map(|kind| (*kind).to_owned()).collect());
        let (format, placer) = (Encoding::Json, Arc::new(Unplaced));
        let encoder = OutputEncoder { agent: "g7".into(), format, streams: None, kinds, placer, privacy };
        let pipeline = pipeline();
        let of = |view: ChannelView<'_>| encoder.catalogue(&view, &Origin::Source("home".into()));
        pipeline.channels().flat_map(of).collect()
    }

    #[test]
    fn a_catalogue_has_what_summaries_readings_and_alerts_say() {
        let entries = entries(None, None);
        let told: Vec<_> = entries
            .iter()
            .map(|entry| match &entry.content {
                Content::Number { key, unit, role, expires_ms, .. } => {
                    (entry.kind, key.as_str(), unit.as_deref(), Some(*role), *expires_ms)
                }
                Content::Alert { detector, stands } => {
                    assert!(!stands);
                    (entry.kind, detector.as_str(), None, None, None)
                }
            })
            .collect();
        let within = Some(185_000);
        assert_eq!(
            told,
            [
                ("summary", "count", None, Some(Role::Diagnostic), within),
                ("summary", "mean", Some("Cel"), Some(Role::Value), within),
                ("summary", "increase", Some("Cel"), Some(Role::Growth), within),
                ("summary", "p95", Some("Cel"), Some(Role::Value), within),
                ("alert", "threshold", None, None, None),
                ("reading", "value", Some("Cel"), Some(Role::Value), None),
            ]
        );
        assert!(entries.iter().all(|entry| entry.series == "attic/temp"));
    }

    #[test]
    fn what_is_not_sent_is_not_announced_and_hidden_names_stay_hidden() {
        let alerts = entries(Some(&["alert"]), None);
        assert_eq!(alerts.iter().map(|entry| entry.kind).collect::<Vec<_>>(), ["alert"]);
        let privacy = Privacy::new(vec![], vec!["room".into()], b"key");
        let hidden = entries(None, Some(privacy));
        assert!(hidden.len() == 6 && hidden.iter().all(|entry| !entry.series.contains("attic")));
        assert!(hidden.iter().all(|entry| entry.series.ends_with("/temp")));
    }
}
