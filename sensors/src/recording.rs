//! Recorded data for `replay`, read as if it came from a source.
//!
//! `.csv`: a header, then one payload per row; the source's `time` and `fields` name columns. Without `time`, a
//! column `time`, `timestamp`, `datetime` or `ts` is the time, and without `fields` every other column with numbers
//! is read; a column `topic` is the topic. `.jsonl`: one payload per line, or `{"topic": …, "payload": …}`, where a quoted
//! payload is its text, as `mosquitto_sub -F %j` writes it; its `tst` is the time of arrival. `hex` instead of `payload` is
//! one of bytes, in hexadecimal digits. The default topic is the file's name without its ending.
//!
//! Rows and lines that cannot be read are counted and never stop a recording. Those beyond `[limits] payload` are
//! skipped.

mod arrival;

use crate::decode::{DecodeConfig, Decoder, PayloadOrigin};
use crate::fields::{DecodeError, Fields, Scalar, is_pattern};
use crate::format::json::{JsonToken, Scanner};
use crate::format::{SkippedRows, TableLayout};
use crate::line::{FoundRecord, read_line, too_large};
use crate::rows::{DelimitedRow, Reader, put_row};
use crate::{Sink, SourceContext, TimeFormat};
use arrival::Arrived;
use headwater_settings::nearest;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// The columns that are accepted as the time, in this order.
const TIME_COLUMNS: [&str; 4] = ["time", "timestamp", "datetime", "ts"];

/// The column that is the topic.
const TOPIC_COLUMN: &str = "topic";

/// The other members of a line of `mosquitto_sub -F %j`.
const ENVELOPE: [&str; 4] = ["qos", "mid", "payloadlen", "properties"];

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file or its medium cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why not.
        cause: io::Error,
    },
    /// The file has the wrong kind or lacks columns that the source needs.
    #[error("{path}: {why}")]
    Unfit {
        /// The file.
        path: String,
        /// The reason, and the way out.
        why: String,
    },
}

/// An open recording.
pub struct Recording {
    path: String,
    topic: String,
    decoder: Decoder,
    rows: Rows,
}

enum Rows {
    Table(Table),
    Lines { input: BufReader<File>, line: Vec<u8>, number: u64, bytes_max: usize },
}

struct Table {
    reader: Reader<BufReader<File>>,
    record: DelimitedRow,
    /// A row that is the header again, of a logger that began anew, is one.
    header: DelimitedRow,
    /// The rows below a header that hold no readings.
    below: u64,
    to_skip: u64,
    /// The path of each column; `None`: not wanted.
    paths: Vec<Option<String>>,
    /// The column that is the topic.
    topic: Option<usize>,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Recording {
    /// Opens a file, to be read as if its payloads came from a source with this configuration.
    ///
    /// # Errors
    /// When it cannot be opened, or cannot fit the source.
    pub fn open(path: &Path, config: &DecodeConfig, context: &SourceContext) -> Result<Self, RecordingError> {
        let shown = path.display().to_string();
        let unfit = |why: String| RecordingError::Unfit { path: shown.clone(), why };
        let unreadable = |cause: io::Error| RecordingError::Unreadable { path: shown.clone(), cause };
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes_max = context.payload_bytes_max;
        let open = || File::open(path).map(BufReader::new).map_err(unreadable);
        let (rows, decoder) = match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => {
                let TableLayout { skipped, delimiter, columns: named, has_own_header } =
                    config.format.table();
                let SkippedRows { above, below } = skipped;
                let reader = Reader::new(open()?, above, delimiter, config.text.has_comma(), bytes_max);
                let mut reader = reader.map_err(unreadable)?;
                let (mut record, mut header) = (DelimitedRow::default(), DelimitedRow::default());
                if (named.is_empty() || has_own_header)
                    && reader.read(&mut header).map_err(unreadable)? != FoundRecord::Record
                {
                    return Err(unfit("no header; the first line names the columns".into()));
                }
                for _ in 0..below {
                    reader.read(&mut record).map_err(unreadable)?;
                }
                let names: Vec<String> = if named.is_empty() {
                    (0..header.len()).map(|n| String::from_utf8_lossy(header.cell(n)).into_owned()).collect()
                } else {
                    named.iter().map(|name| name.clone().unwrap_or_default()).collect()
                };
                let Columns { config, paths, topic } = columns(&names, config).map_err(unfit)?;
                let table = Table { reader, record, header, below, to_skip: 0, paths, topic };
                (Rows::Table(table), Decoder::lenient(&config, context))
            }
            Some("jsonl" | "ndjson") => {
                let rows = Rows::Lines { input: open()?, line: Vec::new(), number: 0, bytes_max };
                (rows, Decoder::lenient(config, context))
            }
            _ => return Err(unfit("a recording ends in .csv or .jsonl".into())),
        };
        Ok(Self { path: shown, topic: stem, decoder, rows })
    }

    /// Reads one row or line into `sink`; `false`: there was none left.
    ///
    /// # Errors
    /// [`RecordingError::Unreadable`].
    pub fn step(&mut self, sink: &mut dyn Sink) -> Result<bool, RecordingError> {
        let stepped = match &mut self.rows {
            Rows::Table(table) => table.step(&self.path, &self.topic, &mut self.decoder, sink),
            Rows::Lines { input, line, number, bytes_max } => {
                *number += 1;
                let origin = PayloadOrigin { name: &self.path, line: Some(*number) };
                match read_line(input, line, *bytes_max) {
                    Ok(FoundRecord::Record) => {
                        on_line(line, &self.topic, origin, &mut self.decoder, sink);
                        Ok(true)
                    }
                    Ok(FoundRecord::TooLarge) => {
                        sink.invalid(&origin.to_string(), &too_large(*bytes_max));
                        Ok(true)
                    }
                    Ok(FoundRecord::End) => Ok(false),
                    Err(cause) => Err(cause),
                }
            }
        };
        stepped.map_err(|cause| RecordingError::Unreadable { path: self.path.clone(), cause })
    }
}

impl Table {
    fn step(
        &mut self,
        path: &str,
        topic: &str,
        decoder: &mut Decoder,
        sink: &mut dyn Sink,
    ) -> io::Result<bool> {
        let found = self.reader.read(&mut self.record)?;
        let origin = PayloadOrigin { name: path, line: Some(self.reader.line()) };
        match found {
            FoundRecord::End => return Ok(false),
            FoundRecord::TooLarge => {
                sink.invalid(&origin.to_string(), &too_large(self.reader.record_bytes_max()))
            }
            FoundRecord::Record if self.record == self.header => self.to_skip = self.below,
            FoundRecord::Record if self.to_skip > 0 => self.to_skip -= 1,
            FoundRecord::Record => {
                let own = self.topic.map(|column| String::from_utf8_lossy(self.record.cell(column)));
                let topic = own.as_deref().filter(|own| !own.is_empty()).unwrap_or(topic);
                decoder.on_record(topic, origin, sink, |_, fields| self.read_row(fields));
            }
        }
        Ok(true)
    }

    fn read_row(&self, fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        put_row(&self.record, &self.paths, fields)?;
        fields.end();
        Ok(())
    }
}

/// What the columns of a table are.
struct Columns {
    /// The configuration, with the time's column.
    config: DecodeConfig,
    /// The path of each column; `None`: not wanted.
    paths: Vec<Option<String>>,
    /// The column that is the topic.
    topic: Option<usize>,
}

/// What columns of these names are.
fn columns(names: &[String], config: &DecodeConfig) -> Result<Columns, String> {
    let known = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let places = config.captures.needed().map(|(_, path)| &**path);
    let named = config.fields.iter().filter(|field| !is_pattern(field));
    for wanted in config.time.iter().chain(named).map(String::as_str).chain(places) {
        if !names.iter().any(|name| *name == wanted) {
            let likely = nearest(wanted, names.iter().map(AsRef::as_ref));
            let hint =
                likely.map_or_else(|| format!("it has {}", known()), |name| format!("is it `{name}`?"));
            return Err(format!("no column `{wanted}`, which the source names; {hint}"));
        }
    }
    let mut time = config.time.clone();
    if time.is_empty() {
        let column = |word: &&str| names.iter().find(|name| name.eq_ignore_ascii_case(word));
        time.extend(TIME_COLUMNS.iter().find_map(column).cloned());
    }
    let is_named = |column: &str| config.fields.iter().any(|field| field == column);
    let topic = names.iter().position(|name| *name == TOPIC_COLUMN).filter(|_| !is_named(TOPIC_COLUMN));
    let is_value = |name: &&String| {
        !time.iter().any(|time| *time == **name) && (topic.is_none() || **name != TOPIC_COLUMN)
    };
    let mut paths: Vec<Option<String>> = names.iter().map(|name| Some(name.clone())).collect();
    if !config.format.is_named() {
        let mut values = names.iter().filter(is_value);
        let value = match (names.iter().find(|name| *name == "value"), values.next(), values.next()) {
            (Some(value), ..) | (None, Some(value), None) => value,
            _ => {
                return Err(format!(
                    "the source's payloads are one value, but the table has {}; name it `value`",
                    known()
                ));
            }
        };
        // The value of a payload that is one value has no name.
        for (path, name) in paths.iter_mut().zip(names).filter(|(_, name)| is_value(name)) {
            *path = (name == value).then(String::new);
        }
    }
    if let Some(path) = topic.and_then(|column| paths.get_mut(column)) {
        *path = None;
    }
    Ok(Columns { config: DecodeConfig { time, ..config.clone() }, paths, topic })
}

fn on_line(line: &[u8], stem: &str, origin: PayloadOrigin<'_>, decoder: &mut Decoder, sink: &mut dyn Sink) {
    if line.trim_ascii().is_empty() {
        return;
    }
    match envelope(line) {
        Some(Envelope { topic, payload, arrival_ms, is_retained }) => {
            let mut stamped = Arrived { sink, arrival_ms };
            let sink: &mut dyn Sink = if arrival_ms.is_some() { &mut stamped } else { stamped.sink };
            if is_retained && !decoder.reads_retained() {
                return sink.retained(1);
            }
            if is_retained {
                sink.replaying(true);
            }
            decoder.on_recorded(&topic, &payload, origin, sink);
            if is_retained {
                sink.replaying(false);
            }
        }
        None => decoder.on_recorded(stem, line, origin, sink),
    }
}

/// A message as `mosquitto_sub -F %j` writes it.
struct Envelope<'a> {
    topic: Cow<'a, str>,
    payload: Cow<'a, [u8]>,
    /// When it came [ms since the Unix epoch].
    arrival_ms: Option<i64>,
    /// Whether the broker had retained it.
    is_retained: bool,
}

/// The message, if the line is an envelope and not itself a payload.
fn envelope(line: &[u8]) -> Option<Envelope<'_>> {
    let mut scanner = Scanner::new(line).ok()?;
    let JsonToken::Object(_) = scanner.value().ok()? else { return None };
    let (mut topic, mut payload, mut arrival_ms, mut is_retained) = (None, None, None, false);
    let mut first = true;
    while let Some(name) = scanner.name(first).ok()? {
        first = false;
        let start = scanner.offset();
        let token = scanner.value().ok()?;
        scanner.skip(token).ok()?;
        match (&*name.unescaped(), token) {
            ("topic", JsonToken::Text(text)) => topic = Some(text.unescaped()),
            ("payload", JsonToken::Text(text)) => {
                payload = Some(match text.unescaped() {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                });
            }
            ("hex", JsonToken::Text(text)) => payload = Some(Cow::Owned(bytes_of(&text.unescaped())?)),
            ("payload", _) => payload = line.get(start..scanner.offset()).map(Cow::Borrowed),
            ("tst", token) => arrival_ms = arrival_of(token),
            ("retain", JsonToken::Scalar(retain)) => {
                is_retained = matches!(retain, Scalar::Integer(1) | Scalar::Boolean(true));
            }
            (name, _) if ENVELOPE.contains(&name) => {}
            _ => return None,
        }
    }
    scanner.end().ok()?;
    Some(Envelope { topic: topic?, payload: payload?, arrival_ms, is_retained })
}

/// The bytes of a payload in hexadecimal digits, as `mosquitto_sub` writes it for `%x`.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The time of arrival: RFC 3339, or a count of seconds.
fn arrival_of(token: JsonToken<'_>) -> Option<i64> {
    match token {
        JsonToken::Text(text) => TimeFormat::Rfc3339.of_text(&text.unescaped(), &TimeZone::UTC),
        JsonToken::Scalar(Scalar::Integer(count)) => TimeFormat::Unix.of_integer(count),
        JsonToken::Scalar(Scalar::Number(count)) => TimeFormat::Unix.of_number(count),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::{Seen, config, context};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A file of its own, gone afterwards.
    struct Temporary(std::path::PathBuf);

    impl Temporary {
        fn new(name: &str, content: &str) -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder =
                std::env::temp_dir().join(format!("headwater-recording-{}-{number}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), content).unwrap();
            Self(folder.join(name))
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    fn replayed(name: &str, content: &str, text: &str) -> Result<Seen, String> {
        replayed_as(name, content, text, |_| {})
    }

    fn replayed_as(
        name: &str,
        content: &str,
        text: &str,
        change: impl Fn(&mut DecodeConfig),
    ) -> Result<Seen, String> {
        let file = Temporary::new(name, content);
        let mut config = config(text, &["g/{zone}"]);
        change(&mut config);
        let mut recording =
            Recording::open(&file.0, &config, &context()).map_err(|error| error.to_string())?;
        let mut seen = Seen::roomy();
        while recording.step(&mut seen).unwrap() {}
        assert!(!recording.step(&mut seen).unwrap(), "the end stays the end");
        Ok(seen)
    }

    #[test]
    fn tables_are_read_by_their_header() {
        let table = "timestamp,a,note,b\n2014-07-01 00:00:00,1,x,2\n2014-07-01 00:30:00,,y,NaN\n1404172800001,3,z,4\n";
        let seen = replayed("taxi.csv", table, "").unwrap();
        const T: i64 = 1_404_172_800_000;
        let expected =
            [("taxi/a", T, 1.0), ("taxi/b", T, 2.0), ("taxi/a", T + 1, 3.0), ("taxi/b", T + 1, 4.0)];
        assert_eq!(
            seen.readings,
            expected.map(|(series, time, value)| (series.to_owned(), Some(time), value))
        );
        assert_eq!(seen.invalid, ["`b` is infinite or not a number"]);
        assert!(seen.origins[0].ends_with("taxi.csv:3"), "{:?}", seen.origins);
        let seen =
            replayed("t.csv", "when;v;w\n5;1.5;x\n6;y;2\n", "time = \"when\"\nfields = [\"v\"]").unwrap();
        assert_eq!(seen.readings, [("t/v".to_owned(), Some(5), 1.5)]);
        assert_eq!(
            seen.invalid,
            [
                "`v` is `y`, not a number; give it a number in `words`, or name it in `skip` if it is no reading"
            ]
        );
        // As the source would read it: a logger's layout, columns without a header, a header that comes again.
        for (table, keys) in [
            (
                "\"TOA5\",\"CR1\"\nTS,T\nTS,Deg C\n,Avg\n5,1\nTS,T\nTS,Deg C\n,Avg\n6,2\n",
                "skip_lines = 1\nskip_rows = 2",
            ),
            ("5|1\n6|2\n", "delimiter = \"|\"\ncolumns = [\"TS\", \"T\"]"),
            ("a b\n5  1\n 6  2\n", "delimiter = \" \"\ncolumns = [\"TS\", \"T\"]\nheader = true"),
        ] {
            let keys = format!("format = \"csv\"\ntime = \"TS\"\nfields = [\"T\"]\n{keys}");
            let seen = replayed("t.csv", table, &keys).unwrap();
            let expected = [("t/T".to_owned(), Some(5), 1.0), ("t/T".to_owned(), Some(6), 2.0)];
            assert_eq!(
                (seen.readings.as_slice(), seen.invalid.len()),
                (&expected[..], 0),
                "{keys}: {seen:?}"
            );
        }
        let seen = replayed("t.csv", "Time,value,x\n5,1,2\n", "format = \"number\"").unwrap();
        assert_eq!(seen.readings, [("t".to_owned(), Some(5), 1.0)]);
    }

    #[test]
    fn what_mosquitto_sub_recorded_has_the_time_of_its_arrival() {
        let lines = [
            r#"{"tst":"2024-03-31T10:00:05.372771Z+0000","topic":"g/a","qos":0,"retain":1,"payloadlen":4,"payload":"20.5"}"#,
            r#"{"tst":"2024-03-31T05:00:35.372771-0500","topic":"g/a","qos":0,"retain":0,"payloadlen":4,"payload":"20.7"}"#,
            r#"{"tst":1711879265.5,"topic":"g/a","qos":0,"retain":0,"payloadlen":4,"payload":"20.9"}"#,
            r#"{"tst":"soon","topic":"g/a","qos":0,"retain":0,"payloadlen":4,"payload":"21"}"#,
        ];
        let seen = replayed("t.jsonl", &lines.join("\n"), "format = \"number\"").unwrap();
        const T: i64 = 1_711_879_205_372;
        let times: Vec<_> = seen.readings.iter().map(|(_, time, _)| *time).collect();
        assert_eq!(times, [Some(T), Some(T + 30_000), Some(1_711_879_265_500), None]);
        // A time of the payload's own comes first.
        let own = r#"{"tst":1,"topic":"g/a","payload":{"ts":5,"v":1}}"#;
        assert_eq!(replayed("t.jsonl", own, "time = \"ts\"").unwrap().readings[0].1, Some(5));
        let ignoring = |config: &mut DecodeConfig| config.reads_retained = false;
        let seen = replayed_as("t.jsonl", &lines.join("\n"), "format = \"number\"", ignoring).unwrap();
        assert_eq!((seen.readings.len(), seen.retained), (3, 1));
    }

    #[test]
    fn tables_of_portals_and_loggers_are_read() {
        let german = "# plant 7\n# export\nDatum;Zeit;Leistung;Status\n31.03.2024;00:00:00;0,25;ok\n31.03.2024;00:15:00;1.000,75;ok\n";
        let config = "time = [\"Datum\", \"Zeit\"]\ntime_format = \"%d.%m.%Y %H:%M:%S\"\ndecimal = \",\"\nfields = [\"Leistung\"]";
        let seen = replayed("t.csv", german, config).unwrap();
        const T: i64 = 1_711_843_200_000;
        let name = || "t/Leistung".to_owned();
        assert_eq!(seen.readings, [(name(), Some(T), 0.25), (name(), Some(T + 900_000), 1_000.75)]);
        let long = "time,sensor,value\n1,a,5\n2,b,6\n";
        let seen = replayed("t.csv", long, "series = \"{sensor}\"\nfields = [\"value\"]").unwrap();
        assert_eq!(seen.readings, [("a".to_owned(), Some(1), 5.0), ("b".to_owned(), Some(2), 6.0)]);
        let topics = "time,topic,value\n1,g/a,5\n2,g/b,6\n3,,7\n";
        for config in ["format = \"number\"", "series = \"{topic}\"\nfields = [\"value\"]"] {
            let seen = replayed("t.csv", topics, config).unwrap();
            let names: Vec<_> = seen.readings.iter().map(|(name, ..)| name.as_str()).collect();
            assert_eq!(names, ["g/a", "g/b", "t"], "{config}");
            assert_eq!(seen.series[0].1, [("zone".to_owned(), "a".to_owned())]);
        }
    }

    #[test]
    fn bad_rows_are_counted_with_their_line_and_stop_nothing() {
        let table = format!("time,v\nnoon,1\n1,2,3\n2\n{}\n,4\n5,\n7,8\n", "x".repeat(200_001));
        let seen = replayed("t.csv", &table, "").unwrap();
        assert_eq!(seen.readings, [("t/v".to_owned(), Some(7), 8.0)]);
        let lines: Vec<&str> = seen.origins.iter().filter_map(|origin| origin.rsplit(':').next()).collect();
        assert_eq!((lines, seen.empty), (vec!["2", "3", "4", "5", "6"], 1));
        for (why, told) in seen.invalid.iter().zip([
            "`time` is `noon`, not a time in unix_ms or rfc3339",
            "the row has 3 cells, and the header 2",
            "the row has 1 cells",
            "longer than `payload`",
            "no field `time`",
        ]) {
            assert!(why.contains(told), "{why} / {told}");
        }
    }

    #[test]
    fn tables_that_do_not_fit_are_refused_with_the_way_out() {
        for (name, content, text, told) in [
            (
                "t.csv",
                "time,temp\n",
                "fields = [\"tmep\"]",
                "no column `tmep`, which the source names; is it `temp`?",
            ),
            ("t.csv", "a,b\n", "time = \"zzzzz\"", "it has `a`, `b`"),
            ("t.csv", "", "", "no header"),
            ("t.csv", "time,a,b\n", "format = \"number\"", "name it `value`"),
            ("t.txt", "", "", "ends in .csv or .jsonl"),
        ] {
            let error = replayed(name, content, text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let gone = Recording::open(Path::new("/nowhere/x.csv"), &config("", &[]), &context());
        assert!(gone.unwrap_err().to_string().starts_with("cannot read /nowhere/x.csv: "));
    }

    #[test]
    fn lines_are_payloads_or_envelopes() {
        let lines = concat!(
            "{\"v\":1}\n\n",
            "{\"topic\":\"g/bed1\",\"payload\":{\"v\":2}}\r\n",
            "{\"tst\":\"2024\",\"topic\":\"g/b\",\"qos\":0,\"payloadlen\":7,\"payload\":\"{\\\"v\\\":3}\"}\n",
            "{\"topic\":\"g/b\",\"payload\":{\"v\":}}\n",
            "{\"topic\":5,\"payload\":6}\n",
            "{\"v\":4}",
        );
        let seen = replayed("rec.jsonl", lines, "").unwrap();
        let values: Vec<_> =
            seen.readings.iter().map(|(series, _, value)| (series.as_str(), *value)).collect();
        let expected = [
            ("rec/v", 1.0),
            ("g/bed1/v", 2.0),
            ("g/b/v", 3.0),
            ("rec/topic", 5.0),
            ("rec/payload", 6.0),
            ("rec/v", 4.0),
        ];
        assert_eq!(values, expected);
        assert_eq!(seen.series[1].1, [("zone".to_owned(), "bed1".to_owned())]);
        assert!(seen.invalid[0].contains("not JSON") && seen.origins[0].ends_with("rec.jsonl:5"), "{seen:?}");
        let numbers = "{\"topic\":\"g/a\",\"payload\":21.5}\n{\"topic\":\"g/a\",\"payload\":\"ON\"}\n7\n";
        let seen = replayed("n.jsonl", numbers, "format = \"number\"").unwrap();
        assert_eq!(seen.readings.iter().map(|reading| reading.2).collect::<Vec<_>>(), [21.5, 1.0, 7.0]);
    }

    #[test]
    fn long_lines_are_skipped_whatever_the_buffer() {
        let lines = format!("{{\"v\":1}}\n{}\n{{\"v\":2}}\n{}", "x".repeat(300_000), "y".repeat(200_001));
        let seen = replayed("t.jsonl", &lines, "").unwrap();
        assert_eq!((seen.readings.len(), seen.invalid.len()), (2, 2));
        assert!(
            seen.invalid[0].contains("longer than `payload`") && seen.origins[1].ends_with(":4"),
            "{seen:?}"
        );
    }
}
