//! Labels that must not leave the agent: left out, or replaced by a keyed hash, wherever their values stand.
//!
//! A hash is the beginning of an HMAC-SHA-256 (RFC 2104) of the value: the same value has the same pseudonym in every
//! message, of every agent with the same key, and nobody without the key can tell which values it may stand for. A value
//! is looked for in every name and text of a message, also as a part of them, because `series` may join labels and other
//! text. Where a label is left out, the name gets a hash of the whole name at its end, so that two series stay two, and ids
//! stay unique. All of that depends on the message and the key alone, so that ids stay as they are over restarts.
//!
//! The labels of the series in a pair or a group are not in its message: their names are replaced whole. So is a name whose
//! label has signs that names are cleaned of, and the name of an expected series that never came. What is said in words by
//! the agent about itself may quote any name: it is left out.

use headwater_pipeline::event::{
    AgentPresence, Alert, Event, Evidence, Labels, Readings, Report, Subject, Summary,
};
use headwater_pipeline::unit;
use ring::hmac;
use std::fmt;
use std::fmt::Write as _;

/// The bytes of a hash that a pseudonym shows: 2^32 values have a collision.
const HASH_BYTES: usize = 8;

/// What must not leave.
#[derive(Clone)]
pub struct Privacy {
    drop: Vec<String>,
    hash: Vec<String>,
    key: hmac::Key,
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privacy").field("drop", &self.drop).field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Privacy {
    /// Labels to leave out, and to replace, with the key of their hashes.
    #[must_use]
    pub fn new(drop: Vec<String>, hash: Vec<String>, key: &[u8]) -> Self {
        Self { drop, hash, key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Takes out of an event what must not leave.
    pub(super) fn apply(&self, event: &mut Event) {
        match event {
            Event::Summary(summary) => self.of_summary(summary),
            Event::Reading(reading) => self.hide(&mut reading.about, None),
            Event::Alert(alert) => self.of_alert(alert),
            Event::Evidence(evidence) => self.of_evidence(evidence),
            Event::Prediction(prediction) => {
                self.hide(&mut prediction.about, None);
            }
            Event::Report(report) => of_report(report),
            Event::Status(status) => of_status(status),
            Event::Clock(_) => {}
        }
    }

    /// Takes out of a subject what must not leave.
    pub(super) fn of_subject(&self, about: &mut Subject) {
        self.of_pair(about, None);
        self.hide(about, None);
    }

    fn of_summary(&self, summary: &mut Summary) {
        if let Some(names) = &mut summary.pair {
            names.iter_mut().for_each(|name| *name = self.whole(name).into());
        }
        self.of_subject(&mut summary.about);
    }

    fn of_alert(&self, alert: &mut Alert) {
        for (name, _) in &mut alert.values {
            let pseudonym = self.whole(name);
            replace(&mut alert.reason, name, &pseudonym);
            *name = pseudonym.into();
        }
        self.of_readings(&mut alert.evidence);
        let has_never_come = alert.value.is_nan() && unit::named(&alert.about.labels).next().is_none();
        if has_never_come {
            let pseudonym = self.whole(&alert.about.series);
            replace(&mut alert.reason, &alert.about.series, &pseudonym);
            alert.about.series = pseudonym.into();
        }
        self.of_pair(&mut alert.about, Some(&mut alert.reason));
        self.hide(&mut alert.about, Some(&mut alert.reason));
    }

    fn of_evidence(&self, evidence: &mut Evidence) {
        self.of_readings(&mut evidence.readings);
        self.of_subject(&mut evidence.about);
    }

    /// Hides the names in that of a pair, and in a text about it.
    fn of_pair(&self, about: &mut Subject, mut text: Option<&mut String>) {
        if !about.series.contains('~') {
            return;
        }
        let mut names: Vec<&str> = about.series.split('~').collect();
        let series: Vec<String> = names.iter().map(|name| self.whole(name)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for name in names {
            if let Some(text) = text.as_deref_mut() {
                replace(text, name, &self.whole(name));
            }
        }
        about.series = series.join("~").into();
    }

    fn of_readings(&self, readings: &mut Readings) {
        if let Readings::OfEach(series) = readings {
            series.iter_mut().for_each(|(name, _)| *name = self.whole(name).into());
        }
    }

    /// Hides values of labels in a subject, and in a text about it.
    fn hide(&self, about: &mut Subject, text: Option<&mut String>) {
        let hidden = self.hidden(&about.labels);
        if hidden.is_empty() {
            return;
        }
        let name = self.name(&about.series, &hidden);
        if let Some(text) = text {
            replace(text, &about.series, &name);
            *text = without(text, &hidden);
        }
        let labels = self.labels(&about.labels);
        about.series = name.into();
        about.labels = labels;
    }

    /// The values that are hidden, the longest first, each with what takes its place.
    fn hidden<'l>(&self, labels: &'l Labels) -> Vec<(&'l str, String)> {
        let place = |(name, value): &'l (String, String)| match () {
            () if value.is_empty() => None,
            () if self.drop.contains(name) => Some((value.as_str(), String::new())),
            () if self.hash.contains(name) => Some((value.as_str(), self.of(value))),
            () => None,
        };
        let mut hidden: Vec<_> = labels.iter().filter_map(place).collect();
        hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        hidden
    }

    /// The name of a series without the hidden values.
    fn name(&self, series: &str, hidden: &[(&str, String)]) -> String {
        let is_plain = |value: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !hidden.iter().all(|(value, _)| is_plain(value)) {
            return self.whole(series);
        }
        let mut name = without(series, hidden);
        if hidden.iter().any(|(value, pseudonym)| pseudonym.is_empty() && series.contains(value)) {
            let levels: Vec<&str> = name.split('/').filter(|level| !level.is_empty()).collect();
            name = levels.join("/");
            let joint = if name.is_empty() { "" } else { "/" };
            let _ = write!(name, "{joint}{}", self.whole(series));
        }
        name
    }

    /// The labels that may leave.
    fn labels(&self, labels: &Labels) -> Labels {
        let hidden = self.hidden(labels);
        let shown = labels.iter().filter(|(name, _)| !self.drop.contains(name));
        let shown = shown.map(|(name, value)| {
            // One that may leave can hold one that may not.
            let value = if self.hash.contains(name) { self.of(value) } else { without(value, &hidden) };
            (name.clone(), value)
        });
        shown.collect()
    }

    /// The pseudonym of a value.
    fn of(&self, value: &str) -> String {
        self.hashed("", value)
    }

    /// The pseudonym of a whole name.
    fn whole(&self, name: &str) -> String {
        self.hashed("series\0", name)
    }

    fn hashed(&self, scope: &str, text: &str) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(scope.as_bytes());
        context.update(text.as_bytes());
        let tag = context.sign();
        let mut pseudonym = String::with_capacity(2 * HASH_BYTES);
        for byte in tag.as_ref().iter().take(HASH_BYTES) {
            let _ = write!(pseudonym, "{byte:02x}");
        }
        pseudonym
    }
}

/// The text with what takes the place of hidden values. What has taken a place is not looked into again.
fn without(text: &str, hidden: &[(&str, String)]) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(next) = rest.chars().next() {
        match hidden.iter().find_map(|(value, pseudonym)| Some((rest.strip_prefix(value)?, pseudonym))) {
            Some((after, pseudonym)) => {
                shown.push_str(pseudonym);
                rest = after;
            }
            None => {
                shown.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
    }
    shown
}

fn replace(text: &mut String, what: &str, with: &str) {
    if !what.is_empty() && text.contains(what) {
        *text = text.replace(what, with);
    }
}

/// A detail may quote any name.
fn of_report(report: &mut Report) {
    report.detail.clear();
}

/// So may a trouble.
fn of_status(status: &mut AgentPresence) {
    if !status.trouble.is_empty() {
        let count = status.trouble.len();
        status.trouble = vec![format!("{count} troubles, not told here; `headwater status` shows them")];
    }
}

#[cfg(test)]
mod tests;
