//! A message as one readable line, for `tail` and `demo`.

use headwater_settings::format_duration;
use headwater_text::clean;
use headwater_wire::Wire;
use std::fmt::Write;

/// Keys of a summary that are not its numbers.
const FRAME: &[&str] =
    &["v", "kind", "id", "rev", "agent", "stream", "series", "labels", "start", "end", "late"];

/// The longest line (bytes): a summary may carry hundreds of percentiles.
const BYTES_MAX: usize = 16 << 10;

/// One clean line, without a line ending. `late` marks what waited in a buffer.
#[must_use]
pub fn line(message: &Wire, late: bool) -> String {
    let mut line = match message.text("kind") {
        "summary" => summary(message),
        "alert" => alert(message),
        "reading" => reading(message),
        "evidence" => evidence(message),
        "report" => report(message),
        "status" => status(message),
        _ => serde_json::to_string(message).unwrap_or_default(),
    };
    if late {
        line.push_str("  (waited in the buffer)");
    }
    clean(&line, BYTES_MAX).into_owned()
}

/// Whether a topic is one of those for what waited in a buffer.
#[must_use]
pub fn is_late(topic: &str) -> bool {
    topic.split('/').any(|level| level == "backfill")
}

fn summary(message: &Wire) -> String {
    let (start, end) = (integer(message, "start"), integer(message, "end"));
    let mut line =
        format!("{} +{:<4} {}", clock(start), format_duration(end - start), message.text("series"));
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
    if message.get("partial").is_some() {
        line.push_str("  (partial)");
    }
    line
}

fn alert(message: &Wire) -> String {
    let sign = if message.text("state") == "raised" { "ALERT " } else { "clear " };
    format!(
        "{} {sign} {}  {} {}: {}",
        clock(integer(message, "time")),
        message.text("series"),
        message.text("severity"),
        message.text("detector"),
        message.text("reason")
    )
}

fn reading(message: &Wire) -> String {
    let value = message.number("value").map(short).unwrap_or_default();
    format!("{} {}  {value}", clock(integer(message, "time")), message.text("series"))
}

fn evidence(message: &Wire) -> String {
    let length = |readings: &Wire| if let Wire::List(readings) = readings { readings.len() } else { 0 };
    let readings: usize = match message.get("evidence") {
        Some(Wire::Map(series)) => series.iter().map(|(_, readings)| length(readings)).sum(),
        Some(readings) => length(readings),
        None => 0,
    };
    format!(
        "         {}  {readings} readings that followed {}",
        message.text("series"),
        message.text("alert")
    )
}

fn report(message: &Wire) -> String {
    let mut line = format!("{} report {}", clock(integer(message, "to")), message.text("cause"));
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
        "status {} is {}, version {}, clock {}",
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

/// Hours, minutes and seconds, UTC.
fn clock(ms: i64) -> String {
    let of_day = ms.rem_euclid(86_400_000) / 1_000;
    format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_says_how_much_of_it_there_is() {
        let said = |evidence: serde_json::Value| {
            let message = serde_json::json!({"kind": "evidence", "series": "x", "alert": "a/x/auto@1", "evidence": evidence});
            line(&serde_json::from_value(message).unwrap(), false)
        };
        assert!(
            said(serde_json::json!([[1, 2.0], [2, 2.5]])).ends_with("x  2 readings that followed a/x/auto@1")
        );
        assert!(
            said(serde_json::json!({"y": [[1, 2.0]], "z": [[1, 2.0], [2, 2.0]]})).contains(" 3 readings ")
        );
    }

    #[test]
    fn a_line_obeys_nobody() {
        let alert = serde_json::json!({"kind": "alert", "state": "raised", "series": "a\u{1b}]0;b\u{7}", "reason": "x\n\u{202e}y"});
        let line = line(&serde_json::from_value(alert).unwrap(), false);
        assert_eq!(line, "00:00:00 ALERT  a�]0;b�   : x �y");
    }

    #[test]
    fn a_summary_reads_at_a_glance() {
        let summary = r#"{"v":1,"kind":"summary","id":"x","rev":1,"stream":"climate","series":"bed1/temp","labels":{},
            "start":1700000040000,"end":1700000100000,"count":60,"mean":21.70001,"p95":0.0,"max":1234567.0}"#;
        let message = headwater_wire::read(summary.as_bytes()).unwrap();
        assert_eq!(
            line(&message, true),
            "22:14:00 +1m   bed1/temp  count 60  mean 21.7  p95 0  max 1.235e6  (correction 1)  (waited in the buffer)"
        );
    }
}
