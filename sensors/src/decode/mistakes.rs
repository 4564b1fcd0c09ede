//! The ten most likely mistakes in a payload, tried with every format: what comes of each is a row of a table.
//!
//! A payload is read as far as it makes sense, or counted as `empty` or `invalid` with words that say why. Nothing is lost
//! in silence, and what is wrong in one place costs no more than that place.

mod instruments;
mod tables;
mod texts;
mod trees;

use super::tests::{Seen, context};
use super::{Decoder, PayloadOrigin};
use crate::format::FORMATS;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A format, and what comes of each mistake in it.
struct Tried {
    format: &'static str,
    /// What distinguishes this row from others of its format.
    note: &'static str,
    keys: &'static str,
    topic: &'static str,
    /// Whether each line comes by itself, as from a file or a socket.
    by_line: bool,
    mistakes: Mistakes,
}

/// One field for each mistake, so that none can be left out.
struct Mistakes {
    wrong_name: Outcomes,
    text_for_number: Outcomes,
    empty: Outcomes,
    cut_off: Outcomes,
    nested: Outcomes,
    huge: Outcomes,
    wrong_time_unit: Outcomes,
    named_twice: Outcomes,
    byte_order_mark: Outcomes,
    not_utf8: Outcomes,
}

/// Payloads, and what comes of each; or why the format cannot hold the mistake.
enum Outcomes {
    Of(Vec<(Vec<u8>, &'static [&'static str])>),
    None(&'static str),
}

fn of(payload: impl AsRef<[u8]>, outcome: &'static [&'static str]) -> Outcomes {
    Outcomes::Of(vec![(payload.as_ref().to_vec(), outcome)])
}

fn none(why: &'static str) -> Outcomes {
    Outcomes::None(why)
}

impl Outcomes {
    /// A further payload.
    fn and(self, payload: impl AsRef<[u8]>, outcome: &'static [&'static str]) -> Self {
        let Self::Of(mut all) = self else { return self };
        all.push((payload.as_ref().to_vec(), outcome));
        Self::Of(all)
    }
}

/// A byte order mark before a text.
fn marked(text: &str) -> String {
    format!("\u{feff}{text}")
}

/// What a user reads of the mistakes that most formats share.
const INFINITE: &str = "invalid: `temp` is infinite or not a number";
const HOT: &str = "invalid: `temp` is `hot`, not a number; give it a number in `words`, or name it in \
`skip` if it is no reading";
const OTHER_NAMES: &str = "remark: the first payload has none of the `fields`: it holds `temperature`, `Hum`; \
check their names if none has them";
const OTHER_NAME: &str = "remark: the first payload has none of the `fields`: it holds `temperature`; check \
their names if none has them";
const IN_SECONDS: &str = "invalid: `ts` is `1700000000`, not a time in unix_ms or rfc3339; write time_format \
= \"unix\"";
const NO_TELEGRAM: &str = "invalid: not SML: no whole telegram, from 1b1b1b1b 01010101 to 1b1b1b1b 1a";
const NO_TIME: &str = "invalid: no field `ts`, which `time` names; write time_else = \"arrival\" to take \
the time of arrival then";

/// The most refusals that are compared by their words.
const INVALID_SHOWN: usize = 3;

/// What a sink has received, in words.
fn told(seen: &Seen) -> Vec<String> {
    let at = |time: &Option<i64>| time.map(|ms| format!(" at {ms}")).unwrap_or_default();
    let readings =
        seen.readings.iter().map(|(series, time, value)| format!("{series} = {value}{}", at(time)));
    let counts = [
        ("empty", seen.empty),
        ("refused", seen.refused),
        ("filtered", seen.filtered),
        ("repeated", seen.repeated),
        ("dropped", seen.dropped),
    ];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0).map(|(what, n)| format!("{what}: {n}"));
    let invalid = seen.invalid.iter().take(INVALID_SHOWN).map(|why| format!("invalid: {why}"));
    let others = seen.invalid.len().checked_sub(INVALID_SHOWN).filter(|others| *others > 0);
    let others = others.map(|others| format!("invalid: {others} others"));
    let remarks = seen.remarks.iter().map(|text| format!("remark: {text}"));
    readings.chain(counts).chain(invalid).chain(others).chain(remarks).collect()
}

impl Tried {
    fn named(&self) -> String {
        format!("{} {}", self.format, self.note).trim_end().to_owned()
    }

    fn read(&self, payload: &[u8]) -> Seen {
        let config = super::tests::config(&format!("format = \"{}\"\n{}", self.format, self.keys), &["#"]);
        let (mut decoder, mut seen) = (Decoder::new(&config, &context()), Seen::roomy());
        if self.by_line {
            for line in payload.split(|byte| *byte == b'\n') {
                let origin = PayloadOrigin { name: self.topic, line: None };
                decoder.on_line(self.topic, line, origin, &mut seen);
            }
        } else {
            decoder.on_payload(self.topic, payload, &mut seen);
        }
        seen
    }

    /// Says in which cells another outcome was expected.
    fn check(&self, wrong: &mut String) {
        let Mistakes {
            wrong_name,
            text_for_number,
            empty,
            cut_off,
            nested,
            huge,
            wrong_time_unit,
            named_twice,
            byte_order_mark,
            not_utf8,
        } = &self.mistakes;
        for (mistake, outcomes) in [
            ("wrong_name", wrong_name),
            ("text_for_number", text_for_number),
            ("empty", empty),
            ("cut_off", cut_off),
            ("nested", nested),
            ("huge", huge),
            ("wrong_time_unit", wrong_time_unit),
            ("named_twice", named_twice),
            ("byte_order_mark", byte_order_mark),
            ("not_utf8", not_utf8),
        ] {
            let all = match outcomes {
                Outcomes::Of(all) => all,
                Outcomes::None(why) => {
                    assert!(!why.is_empty(), "{}, {mistake}: say why it cannot be", self.named());
                    continue;
                }
            };
            for (payload, expected) in all {
                let place = format!("{}, {mistake}, {}", self.named(), beginning(payload));
                let got = self.check_one(payload, &place);
                let is_lost = got.iter().all(|line| line.starts_with("remark")) && !self.by_line;
                if got != *expected || is_lost {
                    wrong.push_str(&format!("{place}\n{got:#?}\n"));
                }
            }
        }
    }

    fn check_one(&self, payload: &[u8], place: &str) -> Vec<String> {
        let begin = Instant::now();
        let seen = self.read(payload);
        // Milliseconds where the time is linear, and minutes where it is quadratic.
        assert!(begin.elapsed() < Duration::from_secs(5), "{place}: it took {:?}", begin.elapsed());
        for shown in &seen.shown {
            let payload = shown.split_once("; the payload is `").map(|(_, payload)| payload);
            let is_safe = payload.is_some_and(|payload| !payload.contains(headwater_text::is_unsafe));
            assert!(is_safe, "{place}: {shown:?}");
        }
        told(&seen)
    }
}

/// How a payload begins, for people.
fn beginning(payload: &[u8]) -> String {
    payload.get(..40).unwrap_or(payload).escape_ascii().to_string()
}

fn every_format() -> Vec<Tried> {
    texts::tried()
        .into_iter()
        .chain(tables::tried())
        .chain(trees::tried())
        .chain(instruments::tried())
        .collect()
}

#[test]
fn every_likely_mistake_in_every_format_has_the_outcome_that_is_said() {
    let all = every_format();
    let tried: BTreeSet<&str> = all.iter().map(|tried| tried.format).collect();
    let known: BTreeSet<&str> = FORMATS.iter().map(|kind| kind.name).collect();
    assert_eq!(tried, known, "a format without a row, or a row without a format");
    let mut wrong = String::new();
    all.iter().for_each(|tried| tried.check(&mut wrong));
    assert!(wrong.is_empty(), "other outcomes than expected:\n{wrong}");
}
