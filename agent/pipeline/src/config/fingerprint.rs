//! Fingerprints: the settings that stored state depends on, as text. State is restored only under the same
//! fingerprint.
//!
//! ```text
//! KIND KEY=VALUE KEY=VALUE ...      threshold above=35 clear=33 name="hot"
//! ```
//! Keys and words are those of the config. Durations are in milliseconds, numbers are the shortest decimals that read
//! back, and texts are quoted. The parameters of detectors are sorted, and those with their default value are left
//! out: so a parameter that a later program adds changes no fingerprint. The texts are a stored format: the
//! fingerprint of a config must never change. The tests hold that.

use headwater_kernel::detect::{Parameter, ParameterKind, ParameterPresence, Parameters};
use headwater_kernel::window::Shape;
use std::fmt::Display;

/// A fingerprint being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Starts a fingerprint for a kind of thing.
    pub fn of(kind: &str) -> Self {
        Self(kind.to_owned())
    }

    /// Adds a number, or a word of the config.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.0 += &format!(" {key}={value}");
        self
    }

    /// Adds a single word.
    #[must_use]
    pub fn and(mut self, word: &str) -> Self {
        self.0 += " ";
        self.0 += word;
        self
    }

    /// Adds any text, quoted.
    #[must_use]
    pub fn with_text(self, key: &str, text: &str) -> Self {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        self.with(key, format_args!("\"{quoted}\""))
    }

    /// Adds the given parameters among `known`, except those with their default value.
    #[must_use]
    pub fn with_parameters<'p>(self, known: impl Iterator<Item = &'p Parameter>, given: &Parameters) -> Self {
        let mut own: Vec<(&Parameter, f64)> =
            known.filter_map(|known| Some((known, given.get(known.name)?))).collect();
        own.retain(|(known, number)| known.presence != ParameterPresence::Default(*number));
        own.sort_unstable_by_key(|(known, _)| known.name);
        own.into_iter().fold(self, |print, (known, number)| match known.kind {
            ParameterKind::Number | ParameterKind::Duration | ParameterKind::Integer => {
                print.with(known.name, number)
            }
            ParameterKind::Flag => print.with(known.name, number != 0.0),
            ParameterKind::Choice(words) => {
                let word = words.get(number as usize).copied().unwrap_or_default();
                print.with(known.name, word)
            }
        })
    }

    /// The finished fingerprint.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

/// The fingerprint of a window's shape.
pub fn of_shape(shape: &Shape) -> Fingerprint {
    match shape {
        Shape::Tumbling(window) => {
            let print = Fingerprint::of("tumbling").with("size", window.size_ms());
            let print = match window.offset_ms() {
                0 => print,
                offset_ms => print.with("offset", offset_ms),
            };
            match window.zone() {
                Some(zone) => print.with_text("zone", zone.name()),
                None => print,
            }
        }
        Shape::Sliding(window) => {
            Fingerprint::of("sliding").with("size", window.size_ms()).with("every", window.every_ms())
        }
        Shape::Session(window) => {
            Fingerprint::of("session").with("gap", window.gap_ms()).with("max", window.max_ms())
        }
        Shape::Count(window) => Fingerprint::of("count").with("size", window.size()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{WindowConfig, parsed};

    /// The fingerprints of a stream with these lines: its own, then those of its pairs, detectors and groups.
    fn prints(lines: &str) -> Vec<String> {
        let (streams, mistakes) = parsed(&format!("[streams.a]\n{lines}"));
        assert_eq!(mistakes, "");
        let stream = &streams[0];
        let own = [stream.fingerprint()].into_iter();
        let cut = match &stream.window {
            WindowConfig::Cut(specs) => Some(specs),
            WindowConfig::None(_) => None,
        };
        let pairs = stream.pairs.iter().filter_map(|pair| Some(pair.fingerprint(cut?)));
        let detectors = stream.detectors.iter().map(|detector| detector.fingerprint.clone());
        own.chain(pairs).chain(detectors).chain(stream.groups.iter().map(|g| g.fingerprint.clone())).collect()
    }

    /// Stored state of every released version is found by these texts: add to them, and never change one.
    #[test]
    fn fingerprints_are_as_they_ever_were() {
        let all: [(&str, &[&str]); 21] = [
            ("", &["tumbling size=60000 aggregates=count,max,mean,min"]),
            (
                "window = { type = \"tumbling\", size = \"1d\" }\nalign = \"Europe/Berlin\"\naggregates = [\"p99.9\", \"count\"]",
                &["tumbling size=86400000 zone=\"Europe/Berlin\" aggregates=count,p99.9 sketch"],
            ),
            (
                "window = { type = \"sliding\", size = \"5m\", every = \"1m\" }\naggregates = [\"sum\"]\nsketch = true",
                &["sliding size=300000 every=60000 aggregates=sum sketch"],
            ),
            (
                "window = { type = \"session\", gap = \"30s\" }\naggregates = [\"rate\"]\ndownsample = { type = \"lttb\", points = 20 }",
                &["session gap=30000 max=3600000 aggregates=rate points=20"],
            ),
            (
                "window = { type = \"count\", size = 100 }\naggregates = [\"mean\"]",
                &["count size=100 aggregates=mean"],
            ),
            (
                "window = { type = \"tumbling\", size = \"8h\" }\nalign = \"Europe/Berlin\"\noffset = \"6h\"\naggregates = [\"count\"]",
                &["tumbling size=28800000 offset=21600000 zone=\"Europe/Berlin\" aggregates=count"],
            ),
            ("window = { type = \"none\" }", &["none"]),
            (
                "window = { type = \"none\" }\nfilter = { type = \"deadband\", absolute = 0.5, heartbeat = \"20s\" }",
                &["deadband absolute=0.5 heartbeat=20000"],
            ),
            (
                "window = { type = \"none\" }\nfilter = { type = \"deadband\", percent = 1 }",
                &["deadband percent=1"],
            ),
            (
                "window = { type = \"none\" }\nfilter = { type = \"swinging-door\", error = 1e-3, max = \"1h\" }",
                &["swinging-door error=0.001 max=3600000"],
            ),
            (
                "aggregates = [\"mean\"]\npairs = [{ a = \"*/temp\", b = \"*/hum\" }]",
                &[
                    "tumbling size=60000 aggregates=mean",
                    "tumbling size=60000 a=\"*/temp\" b=\"*/hum\" tolerance=1000",
                ],
            ),
            (
                "window = { type = \"count\", size = 9 }\naggregates = [\"mean\"]\npairs = [{ a = \"x\", b = \"y\", tolerance = \"2s\" }]",
                &["count size=9 aggregates=mean", "count size=9 a=\"x\" b=\"y\" tolerance=2000"],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"threshold\"\nabove = 35.0\nfor = \"30s\"\nclear = 33",
                &[
                    "tumbling size=60000 aggregates=mean",
                    "threshold above=35 clear=33 for=30000 on=reading name=\"threshold\"",
                ],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"zscore\"\nname = \"a \\\"b\\\"\"\nabove = 4.0\non = \"mean\"",
                &["tumbling size=60000 aggregates=mean", "zscore on=mean name=\"a \\\"b\\\"\""],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"range\"\nmax = 70.5",
                &["tumbling size=60000 aggregates=mean", "range max=70.5 on=reading name=\"range\""],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"missing\"",
                &["tumbling size=60000 aggregates=mean", "missing on=reading name=\"missing\""],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"cusum\"\nper_hour = 12\ncooldown = \"1m\"",
                &["tumbling size=60000 aggregates=mean", "cusum cooldown=60000 on=reading name=\"cusum\""],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"auto\"\nover = [\"*/a\", \"*/b\"]\nname = \"both\"",
                &["tumbling size=60000 aggregates=mean", "auto over=\"*/a\" over=\"*/b\" name=\"both\""],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"half-space\"\nover = [\"p\", \"q\"]\nwithin = \"5s\"",
                &[
                    "tumbling size=60000 aggregates=mean",
                    "half-space within=5000 over=\"p\" over=\"q\" name=\"half-space\"",
                ],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"seasonal\"",
                &["tumbling size=60000 aggregates=mean", "seasonal on=reading name=\"seasonal\""],
            ),
            (
                "aggregates = [\"mean\"]\n[[streams.a.detectors]]\ntype = \"quantile\"",
                &["tumbling size=60000 aggregates=mean", "quantile on=reading name=\"quantile\""],
            ),
        ];
        for (lines, expected) in all {
            assert_eq!(prints(lines), expected, "{lines}");
        }
    }
}
