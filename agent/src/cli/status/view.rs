//! The status as tables for people.
//!
//! It is read as JSON, so that an agent of another version can be asked: what is not there is shown as `-`.

use headwater_settings::format_size;
use headwater_text::{LINE_BYTES_MAX, clean};
use serde_json::Value;

/// What is not known.
const UNKNOWN: &str = "-";

/// The counts of readings that were not used, in the order of the account.
const UNUSED: [&str; 8] =
    ["late", "filtered", "invalid", "future", "refused", "repeated", "unselected", "dropped"];

/// The counts of a whole that are its parts.
const READINGS: [&str; 9] = [
    "summarised",
    "late",
    "filtered",
    "invalid",
    "future",
    "refused",
    "repeated",
    "unselected",
    "in_windows",
];
const MESSAGES: [&str; 4] = ["delivered", "waiting", "thinned", "lost"];

/// The whole status, with a line break at its end.
pub(super) fn describe(status: &Value) -> String {
    let mut text = head(status);
    text.push_str(&table(&sources(status)));
    text.push_str(&table(&streams(status)));
    text.push_str(&table(&outputs(status)));
    text.push('\n');
    text.push_str(&foot(status));
    // It quotes brokers, devices and files.
    text.lines().map(|line| clean(line, LINE_BYTES_MAX).into_owned() + "\n").collect()
}

fn head(status: &Value) -> String {
    let memory = size(at(status, "/memory/resident_bytes"));
    let most = at(status, "/memory/max_bytes").as_u64().map(|most| format!(" of {}", format_size(most)));
    let clock = if *at(status, "/clock/synced") == true {
        "known"
    } else {
        "not known yet: what has no time of its own is held"
    };
    format!(
        "{}  headwater {}, up {}, memory {memory}{}\nclock {clock}; {} series\n",
        text(&status["agent"]),
        text(&status["version"]),
        span(&status["up_ms"]),
        most.unwrap_or_default(),
        status["series"],
    )
}

fn sources(status: &Value) -> Vec<Vec<String>> {
    let mut rows = vec![row(["SOURCE", "STATE", "READINGS", "PER S", "LAST", "NOT USED"])];
    for source in list(&status["sources"]) {
        let state = match source["up"].as_bool() {
            Some(true) => "up",
            Some(false) => "down",
            None => "starting",
        };
        let rate = source["rate"].as_f64().map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{rate:.1}"));
        let mut unused = unused(&source["readings"]);
        let notes = [("/renamed", "names changed"), ("/readings/forgotten", "series forgotten")];
        for (path, what) in notes {
            if let Some(count) = at(source, path).as_u64().filter(|count| *count > 0) {
                unused = format!("{unused}  {count} {what}");
            }
        }
        if let Some(error) = source["last_error"].as_str().filter(|_| source["up"] == false) {
            unused = format!("{unused}  {error}");
        }
        rows.push(vec![
            text(&source["name"]),
            format!("{state} {}", since(status, &source["since_ms"])),
            at(source, "/readings/received").to_string(),
            rate,
            since(status, &source["last_reading_ms"]),
            unused,
        ]);
    }
    rows
}

fn streams(status: &Value) -> Vec<Vec<String>> {
    let mut rows = vec![row(["STREAM", "READINGS", "SUMMARISED", "IN WINDOWS", "NOT USED"])];
    for stream in list(&status["streams"]) {
        let counts = &stream["readings"];
        let number = |name: &str| counts[name].to_string();
        let name = text(&stream["name"]);
        rows.push(vec![name, number("received"), number("summarised"), number("in_windows"), unused(counts)]);
    }
    rows
}

fn outputs(status: &Value) -> Vec<Vec<String>> {
    let mut rows = vec![row(["OUTPUT", "STATE", "WAITING", "OLDEST", "DONE IN", ""])];
    for output in list(&status["outputs"]) {
        let up = output["up"] == true;
        let notes = [&output["one_at_a_time"], if up { &Value::Null } else { &output["last_error"] }];
        rows.push(vec![
            text(&output["name"]),
            format!("{} {}", if up { "up" } else { "down" }, since(status, &output["since_ms"])),
            output["waiting"].to_string(),
            since(status, &output["oldest_ms"]),
            span(&output["drain_ms"]),
            notes.iter().filter_map(|note| note.as_str()).collect::<Vec<_>>().join("; "),
        ]);
    }
    rows
}

fn foot(status: &Value) -> String {
    let (buffer, writes) = (&status["buffer"], &status["writes"]);
    let mut lines = vec![format!(
        "buffer      {} messages wait: {} in memory, {} of {} on disk",
        buffer["waiting"],
        size(&buffer["memory_bytes"]),
        size(&buffer["disk_bytes"]),
        size(&buffer["max_bytes"]),
    )];
    if let Some(error) = buffer["disk_error"].as_str() {
        lines.push(format!("disk        takes nothing: {error}"));
    }
    lines.push(paced("checkpoint", &status["checkpoint"]));
    if status["sync"].is_object() {
        lines.push(paced("sync", &status["sync"]));
    }
    let device = writes["device_today_bytes"].as_u64();
    let device = device.map(|bytes| format!("; all programs {}", format_size(whole(bytes))));
    lines.push(format!(
        "writes      {} of {} today{}",
        size(&writes["today_bytes"]),
        size(&writes["daily_bytes"]),
        device.unwrap_or_default(),
    ));
    lines.extend(remote(&status["remote"]));
    lines.push(balance("readings", &status["readings"], "received", &READINGS));
    lines.push(balance("messages", &status["messages"], "made", &MESSAGES));
    match status["trouble"].as_array().filter(|list| !list.is_empty()) {
        None => lines.push("trouble     none".to_owned()),
        Some(list) => lines.extend(list.iter().map(|what| format!("trouble     {}", text(what)))),
    }
    lines.join("\n") + "\n"
}

/// How remote changes of the config stand, if there are any.
fn remote(remote: &Value) -> Option<String> {
    let id = remote["id"].as_str().map_or_else(|| "nothing is set".to_owned(), |id| format!("{id} is set"));
    let counts = format!("{} requests followed, {} refused", remote["accepted"], remote["refused"]);
    remote.is_object().then(|| format!("remote      {id}; {counts} since the start"))
}

/// How often a checkpoint or a sync is made.
fn paced(what: &str, pace: &Value) -> String {
    if pace.is_null() {
        return format!("{what:<11} none yet");
    }
    let age = pace["age_ms"].as_i64().map(|_| format!("{} ago, ", span(&pace["age_ms"])));
    let allowed = pace["allowed_ms"].as_i64().map(|_| span(&pace["allowed_ms"]));
    let allowed = allowed.map(|allowed| format!("; daily_writes allows one in {allowed}"));
    format!(
        "{what:<11} {}one in {}{}",
        age.unwrap_or_default(),
        span(&pace["every_ms"]),
        allowed.unwrap_or_default()
    )
}

/// An account as an equation; parts that are 0 are left out.
fn balance(what: &str, counts: &Value, whole: &str, parts: &[&str]) -> String {
    let parts = parts.iter().filter(|part| counts[**part].as_i64().is_some_and(|count| count != 0));
    let parts: Vec<String> =
        parts.map(|part| format!("{} {}", counts[*part], part.replace('_', " "))).collect();
    let parts = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
    format!("{what:<11} {} {whole} = {parts}", counts[whole])
}

/// The readings that were not used, by reason.
fn unused(counts: &Value) -> String {
    let count = |name: &&str| counts[*name].as_i64().filter(|count| *count != 0);
    let named = UNUSED.iter().filter_map(|name| Some(format!("{name} {}", count(name)?)));
    named.collect::<Vec<_>>().join(", ")
}

/// Rows in columns that are as wide as they need; the last one is as long as it is.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:<wide$}", wide = width(column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    format!("\n{}", rows.iter().map(line).collect::<String>())
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// A value below another one; null, if it is not there.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or(UNKNOWN).to_owned()
}

fn size(value: &Value) -> String {
    value.as_u64().map_or_else(|| UNKNOWN.to_owned(), |bytes| format_size(whole(bytes)))
}

/// Without the last few bytes, which nobody reads.
fn whole(bytes: u64) -> u64 {
    if bytes < 10 << 10 { bytes } else { bytes >> 10 << 10 }
}

/// How long ago a moment was.
fn since(status: &Value, moment: &Value) -> String {
    let ms = status["now_ms"].as_i64().zip(moment.as_i64()).map(|(now, moment)| now - moment);
    ms.map_or_else(|| UNKNOWN.to_owned(), |ms| span(&ms.max(0).into()))
}

/// A length of time in its two largest units.
fn span(value: &Value) -> String {
    let Some(ms) = value.as_u64() else { return UNKNOWN.to_owned() };
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (scale, unit) in units {
        if rest >= scale || !parts.is_empty() {
            parts.push((rest / scale, unit));
            rest %= scale;
        }
    }
    match (parts.first(), parts.get(1)) {
        (None, _) => format!("{ms}ms"),
        (Some((first, unit)), Some((second, small))) if *second > 0 => {
            format!("{first}{unit} {second}{small}")
        }
        (Some((first, unit)), _) => format!("{first}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_span_has_its_two_largest_units() {
        let spans = [0, 999, 61_000, 3_600_000, 90_061_000].map(|ms: u64| span(&ms.into()));
        assert_eq!(spans, ["0ms", "999ms", "1m 1s", "1h", "1d 1h"]);
        assert_eq!(span(&Value::Null), UNKNOWN);
    }

    #[test]
    fn people_see_all_of_it_and_no_terminal_obeys_it() {
        let counts = json!({"received": 9, "summarised": 4, "late": 2, "in_windows": 3, "filtered": 0});
        let status = json!({
            "agent": "edge", "version": "0.1.0", "now_ms": 600_000, "up_ms": 65_000, "series": 3,
            "memory": {"resident_bytes": 10 << 20, "max_bytes": null}, "clock": {"synced": true},
            "sources": [{"name": "field", "up": false, "since_ms": 540_000, "last_error": "reset\u{1b}[2J",
                "last_reading_ms": null, "rate": 12.34, "renamed": 3,
                "readings": {"received": 9, "invalid": 2, "forgotten": 1}}],
            "streams": [{"name": "all", "readings": counts}],
            "outputs": [{"name": "cloud", "up": true, "since_ms": 0, "waiting": 7, "oldest_ms": 598_000,
                "drain_ms": 4_000, "last_error": "old", "one_at_a_time": null}],
            "buffer": {"waiting": 7, "memory_bytes": 70, "disk_bytes": 1 << 20, "max_bytes": 256 << 20},
            "checkpoint": {"every_ms": 10_000, "allowed_ms": 20_000, "age_ms": 3_000}, "sync": null,
            "writes": {"today_bytes": 1 << 20, "daily_bytes": 500 << 20, "device_today_bytes": null},
            "readings": counts, "messages": {"made": 0, "delivered": 0}, "trouble": ["too hot"],
        });
        let expected = "\
edge  headwater 0.1.0, up 1m 5s, memory 10 MiB
clock known; 3 series

SOURCE  STATE    READINGS  PER S  LAST  NOT USED
field   down 1m  9         12.3   -     invalid 2  3 names changed  1 series forgotten  reset\u{fffd}[2J

STREAM  READINGS  SUMMARISED  IN WINDOWS  NOT USED
all     9         4           3           late 2

OUTPUT  STATE   WAITING  OLDEST  DONE IN
cloud   up 10m  7        2s      4s

buffer      7 messages wait: 70 B in memory, 1 MiB of 256 MiB on disk
checkpoint  3s ago, one in 10s; daily_writes allows one in 20s
writes      1 MiB of 500 MiB today
readings    9 received = 4 summarised + 2 late + 3 in windows
messages    0 made = 0
trouble     too hot
";
        assert_eq!(describe(&status), expected);
        describe(&json!({}));
    }
}
