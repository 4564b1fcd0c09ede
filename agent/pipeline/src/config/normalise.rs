//! `normalise` of a stream: its readings are scaled by the past of their series.

use super::fingerprint::Fingerprint;
use headwater_kernel::normalise::{Normaliser, Scaling};
use headwater_kernel::window::SPAN_MAX_MS;
use headwater_settings::{Or, Table};

/// How far back the past reaches at least, where nothing is said (ms).
const OVER_MS: i64 = super::DAY;

const SCALINGS: [(&str, Scaling); 2] = [("zscore", Scaling::ZScore), ("minmax", Scaling::MinMax)];

/// How the readings of a stream are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalise {
    scaling: Scaling,
    over_ms: i64,
}

impl Normalise {
    /// For a series that has no past.
    #[must_use]
    pub const fn normaliser(self) -> Normaliser {
        Normaliser::new(self.scaling, self.over_ms)
    }

    /// Adds what its state and what a trained model depend on.
    pub(super) fn put(self, print: Fingerprint) -> Fingerprint {
        let word = SCALINGS.iter().find(|(_, scaling)| *scaling == self.scaling).map_or("", |(word, _)| word);
        print.with("normalise", word).with("normalise_over", self.over_ms)
    }
}

/// Reads the keys; `None`: readings stay as they are.
pub(super) fn read(stream: &mut Table<'_>) -> Option<Normalise> {
    stream.note(
        "normalise",
        "scales readings by the past of their series, after `map`: distances from the mean in standard deviations, or from \
         the smallest (0) to the largest value (1)",
    );
    stream.note("normalise_over", "how far back this past reaches at least; at most it is twice as long");
    let scaling = stream.choice("normalise", &SCALINGS).map(|at| at.value);
    let over_ms = stream.duration("normalise_over", 1_000..=SPAN_MAX_MS / 2);
    if scaling.is_none() && stream.has("normalise_over") && !stream.has("normalise") {
        let what = "`normalise_over` has no effect without `normalise`";
        stream.warn(stream.place_of("normalise_over"), what, "add `normalise = \"zscore\"`, or leave it out");
    }
    let over_ms = over_ms.value_or(OVER_MS);
    scaling.map(|scaling| Normalise { scaling, over_ms })
}

#[cfg(test)]
mod tests {
    use crate::config::parsed;

    #[test]
    fn a_scale_is_part_of_what_state_and_models_depend_on() {
        let (streams, mistakes) = parsed("[streams.a]\naggregates = [\"mean\"]\nnormalise = \"zscore\"\n");
        assert_eq!(mistakes, "");
        let print = "tumbling size=60000 aggregates=mean normalise=zscore normalise_over=86400000";
        assert_eq!(streams[0].fingerprint(), print);
        assert!(streams[0].window_fingerprint().ends_with("normalise=zscore normalise_over=86400000"));
        let (streams, _) = parsed(
            "[streams.a]\nwindow = { type = \"none\" }\nnormalise = \"minmax\"\nnormalise_over = \"1h\"\n",
        );
        assert_eq!(streams[0].fingerprint(), "none normalise=minmax normalise_over=3600000");
        assert!(parsed("[streams.a]\nnormalise = \"z-score\"\n").1.contains("zscore"));
        assert!(parsed("[streams.a]\nnormalise_over = \"1h\"\n").1.contains("no effect"));
        assert!(parsed("[streams.a]\nnormalise = \"zscore\"\nnormalise_over = \"1ms\"\n").1.contains("1s"));
    }
}
