//! A message as one readable line, for `tail` and `demo`.

use headwater_settings::format_duration;
use headwater_text::clean;
use headwater_wire::Wire;
use std::fmt::Write;
use std::io::IsTerminal as _;

/// Keys of a summary that are not its numbers.
const FRAME: &[&str] =
    &["v", "kind", "id", "rev", "agent", "stream", "series", "labels", "start", "end", "late"];

/// The longest line (bytes): a summary may carry hundreds of percentiles.
const BYTES_MAX: usize = 16 << 10;

/// The widest columns of stream and series (characters); longer names move what follows.
const STREAM_WIDTH_MAX: usize = 20;
const SERIES_WIDTH_MAX: usize = 48;

/// The colours of a terminal: bold red, green, none.
const RAISED: &str = "\u{1b}[1;31m";
const CLEARED: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";

/// Messages as lines in columns: time in UTC, what it is, stream, series, and what is said of it.
#[derive(Clone, Copy, Debug)]
pub struct ShownLines {
    is_coloured: bool,
    stream_width: usize,
    series_width: usize,
}

impl ShownLines {
    /// Lines for the standard output. Alerts have colours on a terminal, unless `NO_COLOR` is set (no-color.org).
    #[must_use]
    pub fn for_stdout() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::new(std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb)
    }

    fn new(is_coloured: bool) -> Self {
        Self { is_coloured, stream_width: 8, series_width: 16 }
    }

    /// One clean line, without a line ending. `late` marks what waited in a buffer, and shows its date.
    #[must_use]
    pub fn line(&mut self, message: &Wire, late: bool) -> String {
        let mut line = match message.text("kind") {
            "summary" => self.summary(message, late),
            "alert" => self.alert(message, late),
            "reading" => self.reading(message, late),
            "prediction" => self.prediction(message, late),
            "evidence" => self.evidence(message),
            "report" => report(message, late),
            "status" => status(message),
            _ => serde_json::to_string(message).unwrap_or_default(),
        };
        if late {
            line.push_str("  (waited in the buffer)");
        }
        let line = clean(line.trim_end(), BYTES_MAX).into_owned();
        let colour = match (message.text("kind"), message.text("state")) {
            ("alert", "raised") if self.is_coloured => RAISED,
            ("alert", _) if self.is_coloured => CLEARED,
            _ => return line,
        };
        format!("{colour}{line}{PLAIN}")
    }

    /// The first columns. They grow with the names, so that lines stay below each other.
    fn columns(&mut self, time: &str, what: &str, message: &Wire) -> String {
        let (stream, series) = (message.text("stream"), message.text("series"));
        let wider = |width: usize, name: &str, max: usize| width.max(name.chars().count().min(max));
        self.stream_width = wider(self.stream_width, stream, STREAM_WIDTH_MAX);
        self.series_width = wider(self.series_width, series, SERIES_WIDTH_MAX);
        let (wide, wider) = (self.stream_width, self.series_width);
        format!("{time:<9} {what:<8} {stream:<wide$} {series:<wider$}")
    }

    fn summary(&mut self, message: &Wire, late: bool) -> String {
        let (start, end) = (integer(message, "start"), integer(message, "end"));
        let length = format!("+{}", format_duration(end - start));
        let mut line = self.columns(&clock(start, late), &length, message);
        if let Wire::Map(entries) = message {
            for (key, value) in entries.iter().filter(|(key, _)| !FRAME.contains(&key.as_str())) {
                let _ = match value {
                    Wire::Integer(count) => write!(line, "  {key} {count}"),
                    Wire::Float(number) => write!(line, "  {key} {}", short(*number)),
                    _ => Ok(()),
                };
            }
        }
        if let Some(rev) = message.number("rev").filter(|rev| *rev > 0.0) {
            let _ = write!(line, "  (correction {rev})");
        }
        for mark in ["partial", "retracted"] {
            if message.get(mark).is_some() {
                let _ = write!(line, "  ({mark})");
            }
        }
        line
    }

    fn alert(&mut self, message: &Wire, late: bool) -> String {
        let what = if message.text("state") == "raised" { "ALERT" } else { "clear" };
        let columns = self.columns(&clock(integer(message, "time"), late), what, message);
        let (severity, detector) = (message.text("severity"), message.text("detector"));
        format!("{columns}  {severity} {detector}: {}", message.text("reason"))
    }

    fn reading(&mut self, message: &Wire, late: bool) -> String {
        let value = message.number("value").map(short).unwrap_or_default();
        format!("{}  {value}", self.columns(&clock(integer(message, "time"), late), "reading", message))
    }

    /// The class, and the probabilities of all, the largest first.
    fn prediction(&mut self, message: &Wire, late: bool) -> String {
        let columns = self.columns(&clock(integer(message, "time"), late), "predict", message);
        let mut line = format!("{columns}  {}:", message.text("class"));
        let mut shares: Vec<(&str, f64)> = match message.get("probabilities") {
            Some(Wire::Map(shares)) => {
                let share = |name: &str| message.get("probabilities").and_then(|all| all.number(name));
                shares.iter().filter_map(|(name, _)| Some((name.as_str(), share(name)?))).collect()
            }
            _ => Vec::new(),
        };
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (name, share) in shares {
            let _ = write!(line, "  {name} {share:.2}");
        }
        line
    }

    fn evidence(&mut self, message: &Wire) -> String {
        let length = |readings: &Wire| if let Wire::List(readings) = readings { readings.len() } else { 0 };
        let readings: usize = match message.get("evidence") {
            Some(Wire::Map(series)) => series.iter().map(|(_, readings)| length(readings)).sum(),
            Some(readings) => length(readings),
            None => 0,
        };
        let columns = self.columns("", "evidence", message);
        format!("{columns}  {readings} readings that followed {}", message.text("alert"))
    }
}

/// Whether a topic is one of those for what waited in a buffer.
#[must_use]
pub fn is_late(topic: &str) -> bool {
    topic.split('/').any(|level| level == "backfill")
}

fn report(message: &Wire, late: bool) -> String {
    let time = clock(integer(message, "to"), late);
    let mut line = format!("{time:<9} report   {}", message.text("cause"));
    for key in [
        "received",
        "summarised",
        "late",
        "filtered",
        "invalid",
        "future",
        "refused",
        "repeated",
        "unselected",
        "empty",
        "retained",
        "dropped",
        "forgotten",
    ] {
        if let Some(count) = message.number(key).filter(|count| *count != 0.0) {
            let _ = write!(line, "  {key} {count}");
        }
    }
    if let Some(messages) = message.get("messages") {
        for key in ["made", "delivered", "waiting", "thinned", "lost"] {
            if let Some(count) = messages.number(key).filter(|count| *count != 0.0) {
                let _ = write!(line, "  {key} {count}");
            }
        }
    }
    let stop = message.text("stop");
    if !stop.is_empty() {
        let _ = write!(line, "  stop {stop}");
    }
    let detail = message.text("detail");
    if !detail.is_empty() {
        let _ = write!(line, "  ({detail})");
    }
    line
}

fn status(message: &Wire) -> String {
    let mut line = format!(
        "{:<9} status   {} is {}, version {}, clock {}",
        "",
        message.text("agent"),
        message.text("state"),
        message.text("version"),
        message.text("clock")
    );
    if let Some(Wire::List(trouble)) = message.get("trouble") {
        for what in trouble {
            let _ = match what {
                Wire::Text(what) => write!(line, "; {what}"),
                _ => Ok(()),
            };
        }
    }
    line
}

fn integer(message: &Wire, key: &str) -> i64 {
    match message.get(key) {
        Some(Wire::Integer(number)) => *number,
        _ => 0,
    }
}

/// Four significant digits are what one reads at a glance.
fn short(number: f64) -> String {
    if number == 0.0 || !(1e-3..1e6).contains(&number.abs()) {
        return if number == 0.0 { "0".to_owned() } else { format!("{number:.3e}") };
    }
    let decimals = (3 - number.abs().log10().floor() as i32).clamp(0, 6).unsigned_abs() as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Hours, minutes and seconds in UTC, which the `Z` says; with the date, if wanted.
fn clock(ms: i64, with_date: bool) -> String {
    let of_day = ms.rem_euclid(86_400_000) / 1_000;
    let time = format!("{:02}:{:02}:{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let date = with_date.then(|| jiff::Timestamp::from_millisecond(ms).ok()).flatten();
    date.map_or(time.clone(), |date| format!("{}T{time}", date.strftime("%F")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_says_how_much_of_it_there_is() {
        let said = |evidence: serde_json::Value| {
            let message = serde_json::json!({"kind": "evidence", "series": "x", "alert": "a/x/auto@1", "evidence": evidence});
            ShownLines::new(false).line(&serde_json::from_value(message).unwrap(), false)
        };
        assert!(
            said(serde_json::json!([[1, 2.0], [2, 2.5]])).ends_with(" 2 readings that followed a/x/auto@1")
        );
        assert!(
            said(serde_json::json!({"y": [[1, 2.0]], "z": [[1, 2.0], [2, 2.0]]})).contains(" 3 readings ")
        );
    }

    #[test]
    fn a_prediction_names_its_class_and_the_likeliest_others_first() {
        let message = serde_json::json!({"kind": "prediction", "stream": "pumps", "series": "p1", "detector": "model",
            "time": 1_700_000_040_000_i64, "class": "valve", "score": 0.95,
            "probabilities": {"leak": 0.2, "normal": 0.05, "valve": 0.75}});
        assert_eq!(
            ShownLines::new(true).line(&serde_json::from_value(message).unwrap(), false),
            "22:14:00Z predict  pumps    p1                valve:  valve 0.75  leak 0.20  normal 0.05"
        );
    }

    #[test]
    fn a_line_obeys_nobody() {
        let alert = serde_json::json!({"kind": "alert", "state": "raised", "series": "a\u{1b}]0;b\u{7}", "reason": "x\n\u{202e}y"});
        let line = ShownLines::new(false).line(&serde_json::from_value(alert).unwrap(), false);
        assert_eq!(line, "00:00:00Z ALERT             a�]0;b�            : x �y");
    }

    #[test]
    fn a_summary_reads_at_a_glance() {
        let summary = r#"{"v":1,"kind":"summary","id":"x","rev":1,"stream":"climate","series":"bed1/temp","labels":{},
            "start":1700000040000,"end":1700000100000,"count":60,"mean":21.70001,"p95":0.0,"max":1234567.0}"#;
        let message = headwater_wire::read(summary.as_bytes()).unwrap();
        assert_eq!(
            ShownLines::new(true).line(&message, false),
            "22:14:00Z +1m      climate  bed1/temp         count 60  mean 21.7  p95 0  max 1.235e6  (correction 1)"
        );
        let waited = ShownLines::new(true).line(&message, true);
        assert!(waited.starts_with("2023-11-14T22:14:00Z +1m"), "{waited}");
        assert!(waited.ends_with("(correction 1)  (waited in the buffer)"), "{waited}");
    }

    #[test]
    fn columns_grow_with_names_and_alerts_have_colours() {
        let mut lines = ShownLines::new(true);
        let mut shown = |kind: &str, state: &str, series: &str| {
            let message = serde_json::json!({"kind": kind, "state": state, "stream": "s", "series": series, "reason": "r", "value": 1});
            lines.line(&serde_json::from_value(message).unwrap(), false)
        };
        let place = |line: &str| line.rfind("  ").unwrap();
        assert!(!shown("reading", "", "short").contains('\u{1b}'));
        let long = shown("reading", "", "a/much/longer/name/of/a/series");
        assert_eq!(place(&shown("reading", "", "short")), place(&long), "below each other");
        let raised = shown("alert", "raised", "short");
        assert!(raised.starts_with(RAISED) && raised.ends_with(PLAIN), "{raised:?}");
        assert!(shown("alert", "cleared", "short").starts_with(CLEARED));
        let plain = ShownLines::new(false).line(
            &serde_json::from_value(serde_json::json!({"kind": "alert", "state": "raised"})).unwrap(),
            false,
        );
        assert!(!plain.contains('\u{1b}'));
    }
}
