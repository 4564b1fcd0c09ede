//! The report of a training: a figure for each fold, and its mean with the interval that holds it with a probability of
//! 0.95 (Student's t over the folds).

use super::judge::{ANY_FAULT, Confusion, Curve, Figures};
use headwater_model::CardScore;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Student's t at 0.975, for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// The same for more.
const NORMAL: f64 = 1.960;

/// What a training found.
#[derive(Clone, Debug)]
pub struct TrainReport {
    /// What it was trained with, in words.
    pub title: String,
    /// What people should know of their data.
    pub notes: Vec<String>,
    pub(super) classes: Vec<(String, u64)>,
    /// Those who were judged, the model first.
    pub(super) contestants: Vec<Contestant>,
    pub(super) confusion: Confusion,
}

/// Somebody who was judged by the same folds.
#[derive(Clone, Debug)]
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) folds: Vec<Figures>,
    /// The curves of each fold, by what they tell apart.
    pub(super) curves: Vec<Vec<(String, Curve)>>,
}

impl Contestant {
    /// Each figure over the folds.
    pub(super) fn scores(&self) -> Vec<CardScore> {
        let names = self.folds.first().into_iter().flatten().map(|(name, _)| name);
        names.filter_map(|name| self.score(name)).collect()
    }

    /// One figure over the folds in which it exists.
    pub(super) fn score(&self, name: &str) -> Option<CardScore> {
        let values: Vec<f64> = self.folds.iter().filter_map(|fold| figure(fold, name)).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
        let freedom = values.len().checked_sub(1)?;
        let student = STUDENT.get(freedom.saturating_sub(1)).copied().unwrap_or(NORMAL);
        let half = (freedom > 0).then(|| student * (spread / freedom as f64 / count).sqrt());
        let is_share = !name.contains('(') && !name.contains("a day");
        let most = if is_share { 1.0 } else { f64::INFINITY };
        Some(CardScore {
            name: name.to_owned(),
            mean: to_millionths(mean),
            low: half.map(|half| to_millionths((mean - half).max(0.0))),
            high: half.map(|half| to_millionths((mean + half).min(most))),
        })
    }
}

/// Few enough digits that the JSON of a card is read as exactly what was written.
fn to_millionths(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

pub(super) fn figure(fold: &Figures, name: &str) -> Option<f64> {
    fold.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value)
}

impl TrainReport {
    /// For people.
    #[must_use]
    pub fn as_text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for (name, count) in &self.classes {
            let _ = writeln!(text, "  {count:>8}  {name}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        let Some(model) = self.contestants.first() else { return text };
        let _ =
            writeln!(text, "\nfold  accuracy  F1 of all  any fault: F1  found  delay s  false alarms a day");
        for (fold, figures) in model.folds.iter().enumerate() {
            let of = |name: &str| figure(figures, name);
            let _ = writeln!(
                text,
                "{:>4}  {:>8}  {:>9}  {:>13}  {:>5}  {:>7}  {:>18}",
                fold + 1,
                share(of("accuracy")),
                share(of("F1 of all classes")),
                share(of("F1 any fault")),
                share(of("events found")),
                plain(of("time to detect (s)")),
                plain(of("false alarms a day")),
            );
        }
        self.put_classes(model, &mut text);
        self.put_confusion(&mut text);
        self.put_contest(&mut text);
        text
    }

    /// Precision, recall, F1 and areas of each class.
    fn put_classes(&self, model: &Contestant, to: &mut String) {
        const WIDTH: usize = 18;
        let names = self.classes.iter().map(|(name, _)| name.as_str()).chain([ANY_FAULT]);
        let names: Vec<&str> = names.collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let figures = ["precision", "recall", "F1", "PR", "ROC"];
        let _ = write!(to, "\n{:width$}", "");
        figures.iter().for_each(|figure| {
            let _ = write!(to, "  {figure:<WIDTH$}");
        });
        for name in names {
            let _ = write!(to, "\n{name:width$}");
            for figure in figures {
                let score = model.score(&format!("{figure} {name}"));
                let _ = write!(
                    to,
                    "  {:<WIDTH$}",
                    score.map_or_else(|| "-".to_owned(), |score| interval(&score))
                );
            }
        }
        let trimmed: Vec<&str> = to.lines().map(str::trim_end).collect();
        *to = trimmed.join("\n") + "\n";
    }

    fn put_confusion(&self, to: &mut String) {
        let width = self.classes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(8);
        let _ = write!(to, "\n{:width$}", "is, said");
        self.classes.iter().for_each(|(name, _)| {
            let _ = write!(to, "  {name:>width$}");
        });
        for ((name, _), counts) in self.classes.iter().zip(&self.confusion) {
            let _ = write!(to, "\n{name:width$}");
            counts.iter().for_each(|count| {
                let _ = write!(to, "  {count:>width$}");
            });
        }
        to.push('\n');
    }

    /// Everybody beside the model, by what all of them can say.
    fn put_contest(&self, to: &mut String) {
        let figures = [
            ("accuracy", "accuracy"),
            ("F1 any fault", "any fault: F1"),
            ("PR any fault", "PR"),
            ("events found", "found"),
            ("time to detect (s)", "delay s"),
            ("false alarms a day", "false a day"),
        ];
        let width = self.contestants.iter().map(|own| own.name.len()).max().unwrap_or(0);
        let _ = write!(to, "\n{:width$}", "");
        for (_, title) in figures {
            let _ = write!(to, "  {title:>13}");
        }
        for own in &self.contestants {
            let _ = write!(to, "\n{:width$}", own.name);
            for (name, _) in figures {
                let mean = own.score(name).map(|score| score.mean);
                let is_share = !name.contains('(') && !name.contains("a day");
                let shown = if is_share { share(mean) } else { plain(mean) };
                let _ = write!(to, "  {shown:>13}");
            }
        }
        to.push('\n');
    }

    /// For programs.
    #[must_use]
    pub fn as_json(&self) -> String {
        let contestant = |own: &Contestant| {
            let folds: Vec<Value> = own.folds.iter().map(|fold| fold.iter().cloned().collect()).collect();
            json!({ "name": own.name, "scores": own.scores(), "folds": folds })
        };
        let contestants: Vec<Value> = self.contestants.iter().map(contestant).collect();
        let classes: Vec<Value> =
            self.classes.iter().map(|(name, rows)| json!({ "name": name, "rows": rows })).collect();
        let whole = json!({
            "title": self.title,
            "notes": self.notes,
            "classes": classes,
            "confusion": self.confusion,
            "contestants": contestants,
        });
        whole.to_string()
    }
}

/// A mean with its interval.
#[must_use]
pub fn interval(score: &CardScore) -> String {
    match score.low.zip(score.high) {
        Some((low, high)) => format!("{:.2} [{low:.2}, {high:.2}]", score.mean),
        None => format!("{:.2}", score.mean),
    }
}

pub(super) fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

fn plain(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}
