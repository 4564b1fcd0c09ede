//! The results of a detector on a corpus, for people and for programs.

use super::events::EventTally;
use super::nab::{self, PROFILES, Tally};
use super::{EvaluateError, Judged, Labelled};
use headwater_text::{LINE_BYTES_MAX, clean, escape_json};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// The result of one detector on the recordings of one corpus.
#[derive(Clone, Debug)]
pub struct Score {
    detector: String,
    corpus: String,
    recordings: usize,
    events: EventTally,
    /// False events per 1,000 readings of the recordings in which nothing is wrong.
    quiet: Option<f64>,
    /// At the detector's own limit, by profile.
    pub(super) own: [f64; PROFILES.len()],
    /// At the best threshold on its scores, by profile.
    best: [f64; PROFILES.len()],
}

impl Score {
    /// Adds up the judgements of a detector on the recordings of a corpus.
    pub fn of(detector: &str, corpus: &str, recordings: &[Labelled], judged: &[Judged]) -> Self {
        let (mut events, mut quiet, mut tally) = (EventTally::default(), None, Tally::default());
        for (recording, judged) in recordings.iter().zip(judged) {
            let here = EventTally::of(recording, judged);
            events += here;
            if recording.label.windows.is_empty() {
                *quiet.get_or_insert(EventTally::default()) += here;
            }
            tally += Tally::of(recording, judged);
        }
        Self {
            detector: detector.to_owned(),
            corpus: corpus.to_owned(),
            recordings: recordings.len(),
            events,
            quiet: quiet.map(|events| events.wrong_per_1000()),
            own: PROFILES.map(|profile| tally.score(&profile)),
            best: nab::best(recordings, judged),
        }
    }

    fn json(&self) -> Value {
        let scores = |scores: &[f64; PROFILES.len()]| -> Value {
            PROFILES
                .iter()
                .zip(scores)
                .map(|(profile, score)| (profile.name.to_owned(), json!(score)))
                .collect()
        };
        let delay = self.events.delay();
        json!({
            "detector": self.detector,
            "corpus": self.corpus,
            "recordings": self.recordings,
            "windows": self.events.windows,
            "found": self.events.found,
            "events": self.events.right + self.events.wrong,
            "false_events": self.events.wrong,
            "precision": self.events.precision(),
            "recall": self.events.recall(),
            "f1": self.events.f1(),
            "false_per_1000": self.events.wrong_per_1000(),
            "false_per_1000_quiet": self.quiet,
            "delay_share": delay.map(|(share, _)| share),
            "delay_ms": delay.map(|(_, ms)| ms),
            "nab": scores(&self.own),
            "nab_best": scores(&self.best),
        })
    }
}

/// One array of outcomes.
pub fn as_json(outcomes: &[Score]) -> String {
    let all: Vec<Value> = outcomes.iter().map(Score::json).collect();
    escape_json(&Value::Array(all).to_string()).into_owned()
}

/// A table per corpus, best standard score first. `false/1000`: false events per 1,000 readings outside windows;
/// `quiet`: the same in recordings without any window.
pub fn as_table(outcomes: &[Score]) -> String {
    let mut text = String::new();
    let mut corpora: Vec<&str> = outcomes.iter().map(|outcome| outcome.corpus.as_str()).collect();
    corpora.dedup();
    for corpus in corpora {
        let mut rows: Vec<&Score> = outcomes.iter().filter(|outcome| outcome.corpus == corpus).collect();
        rows.sort_by(|a, b| b.own[0].total_cmp(&a.own[0]));
        let Some(first) = rows.first() else { continue };
        let (recordings, windows) = (first.recordings, first.events.windows);
        let _ =
            writeln!(text, "{}: {recordings} recordings, {windows} windows", clean(corpus, LINE_BYTES_MAX));
        let width = rows.iter().map(|row| row.detector.len()).max().unwrap_or(0).max("detector".len());
        let head = "found  prec  recall    F1  false/1000  quiet     delay  NAB std  low FP  low FN  best";
        let _ = writeln!(text, "  {:width$}  {head}", "detector");
        for row in rows {
            let _ = writeln!(text, "  {:width$}  {}", row.detector, cells(row));
        }
    }
    means(outcomes, &mut text);
    text
}

/// A table of the means over corpora, in which each counts once; `worst`: the most false alarms in any. Nothing for a
/// single corpus.
fn means(outcomes: &[Score], to: &mut String) {
    let mut detectors: Vec<(&str, Mean)> = Vec::new();
    for outcome in outcomes {
        let known = detectors.iter().position(|(name, _)| *name == outcome.detector);
        let at = known.unwrap_or(detectors.len());
        if known.is_none() {
            detectors.push((&outcome.detector, Mean::default()));
        }
        if let Some((_, mean)) = detectors.get_mut(at) {
            mean.add(outcome);
        }
    }
    let corpora = detectors.iter().map(|(_, mean)| mean.corpora).max().unwrap_or(0);
    if corpora < 2 {
        return;
    }
    detectors.sort_by(|a, b| b.1.standard().total_cmp(&a.1.standard()));
    let width = detectors.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("detector".len());
    let _ = writeln!(to, "mean over {corpora} corpora, each once");
    let _ = writeln!(to, "  {:width$}  NAB std  false/1000  worst", "detector");
    for (name, mean) in detectors {
        let false_alarms = mean.false_alarms / mean.corpora.max(1) as f64;
        let _ =
            writeln!(to, "  {name:width$}  {:7.1}  {false_alarms:10.2}  {:5.2}", mean.standard(), mean.worst);
    }
}

/// One detector over corpora.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    corpora: usize,
    /// Corpora in which there is something to find, and the sum of their scores.
    scored: usize,
    standard: f64,
    false_alarms: f64,
    worst: f64,
}

impl Mean {
    fn add(&mut self, outcome: &Score) {
        let false_alarms = outcome.events.wrong_per_1000();
        self.corpora += 1;
        self.false_alarms += false_alarms;
        self.worst = self.worst.max(false_alarms);
        if outcome.events.windows > 0 {
            self.scored += 1;
            self.standard += outcome.own[0];
        }
    }

    fn standard(&self) -> f64 {
        self.standard / self.scored.max(1) as f64
    }
}

fn cells(row: &Score) -> String {
    let events = &row.events;
    let delay = events.delay().map_or_else(|| "-".to_owned(), |(_, ms)| wait(ms));
    let quiet = row.quiet.map_or_else(|| "-".to_owned(), |quiet| format!("{quiet:.2}"));
    let [standard, low_fp, low_fn] = row.own;
    format!(
        "{:5}  {:.2}    {:.2}  {:.2}  {:10.2}  {quiet:>5}  {delay:>8}  {standard:7.1}  {low_fp:6.1}  {low_fn:6.1}  {:4.1}",
        events.found,
        events.precision(),
        events.recall(),
        events.f1(),
        events.wrong_per_1000(),
        row.best[0],
    )
}

/// A duration in its largest unit, to one digit.
fn wait(ms: f64) -> String {
    const UNITS: [(f64, &str); 4] =
        [(86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "m"), (1_000.0, "s")];
    let unit = UNITS.iter().find(|(unit, _)| ms >= *unit);
    unit.map_or_else(|| format!("{ms:.0}ms"), |(unit, name)| format!("{:.1}{name}", ms / unit))
}

/// Writes a row per reading, at the recording's own path below `directory`.
///
/// # Errors
/// [`EvaluateError::File`].
pub fn write_scores(directory: &Path, recording: &Labelled, judged: &Judged) -> Result<(), EvaluateError> {
    let path = directory.join(&recording.name);
    let write = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = BufWriter::new(File::create(&path)?);
        writeln!(file, "timestamp,value,anomaly_score,flag")?;
        let rows = recording.times.iter().zip(&judged.values).zip(judged.scores.iter().zip(&judged.flags));
        for ((time, value), (score, flag)) in rows {
            writeln!(file, "{time},{value},{score},{}", u8::from(*flag))?;
        }
        file.flush()
    };
    write().map_err(|cause| EvaluateError::File { path: path.display().to_string(), cause })
}
