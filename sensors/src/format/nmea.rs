//! NMEA 0183: sentences of receivers for satellites, and of instruments on boats.
//!
//! Every sentence is a record with the labels `talker` and `sentence`; `sentences.rs` says what its columns are.
//! Positions are in degrees, south and west negative. The checksum is required, because a sentence that is cut off
//! still has numbers. A sentence that its device marks as void, one without numbers, one of a maker's own and one of
//! AIS hold no reading. The time of a sentence is the field `utc`, for `time = "utc"`; of one with the time of day alone
//! it is the one nearest to the last date. Otherwise the time is that of the arrival, because receivers without a fix
//! count from some other day. Cost: one pass, and no allocation.
//!
//! Source: NMEA 0183 4.1, as `gpsd` and the manuals of receivers describe it.

mod clock;
mod sentences;

use super::{Format, FormatKind, bare};
use crate::fields::{DecodeError, FieldUse, Fields, Position, Scalar};
use crate::text::TextRules;
use clock::SentenceClock;
use headwater_settings::{Or, Table};
use sentences::{Column, Kind, Sentence};
use std::fmt::Write;

pub(super) const KIND: FormatKind = FormatKind { name: "nmea", read, sample: SAMPLE };

const SAMPLE: &str = "\
format = \"nmea\"
# checksum = \"required\"      # or \"optional\": sentences without one are read too
";

/// The field with a sentence's own time.
const UTC: &str = "utc";

/// The most columns of a sentence; an XDR with 20 transducers has 80.
const COLUMNS_MAX: usize = 96;

#[derive(Clone, Debug)]
struct Nmea {
    needs_checksum: bool,
    clock: SentenceClock,
    /// The path of a value whose name the sentence says; its memory is reused.
    path: String,
}

fn read(table: &mut Table<'_>, _: &TextRules) -> Option<Box<dyn Format>> {
    let choices = [("required", true), ("optional", false)];
    let needs_checksum = table.choice("checksum", &choices).value_or(true);
    Some(Box::new(Nmea { needs_checksum, clock: SentenceClock::default(), path: String::new() }))
}

impl Format for Nmea {
    fn brings_labels(&self) -> bool {
        true
    }

    fn series(&self) -> &'static str {
        "{topic}/{talker}{sentence}/{field}"
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        let mut is_empty = true;
        for (number, line) in (1_u64..).zip(bare(payload).split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            is_empty = false;
            match self.sentence(line, fields) {
                Ok(()) => fields.end(),
                Err(what) => {
                    let what = format!("not NMEA 0183: {what}");
                    fields.reject(DecodeError::new(what).at(Position::Line(number)));
                }
            }
        }
        if is_empty {
            fields.end();
        }
        Ok(())
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

/// The columns of one sentence, without its address.
struct Columns<'a> {
    texts: [&'a str; COLUMNS_MAX],
    len: usize,
}

impl<'a> Columns<'a> {
    fn of(text: &'a str) -> Result<Self, &'static str> {
        let mut columns = Self { texts: [""; COLUMNS_MAX], len: 0 };
        for column in text.split(',') {
            let Some(place) = columns.texts.get_mut(columns.len) else {
                return Err("a sentence with too many columns");
            };
            *place = column.trim_ascii();
            columns.len += 1;
        }
        Ok(columns)
    }

    /// A column; empty if there is none.
    fn at(&self, number: usize) -> &'a str {
        self.texts.get(number).copied().unwrap_or_default()
    }
}

impl Nmea {
    fn sentence(&mut self, line: &[u8], fields: &mut Fields<'_>) -> Result<(), &'static str> {
        let text = std::str::from_utf8(line).map_err(|_| "bytes that are not UTF-8")?;
        // A tag block before the sentence.
        let text = match text.strip_prefix('\\') {
            Some(block) => block.split_once('\\').ok_or("a tag block without its end")?.1,
            None => text,
        };
        if text.starts_with('!') {
            return Ok(());
        }
        let body = text.strip_prefix('$').ok_or("a line that begins neither with `$` nor with `!`")?;
        let body = self.checked(body)?;
        let (address, columns) = body.split_once(',').ok_or("a sentence without columns")?;
        let Some((talker, code)) = address.len().checked_sub(3).and_then(|at| address.split_at_checked(at))
        else {
            return Err("an address without a talker and a sentence, such as `$GPRMC`");
        };
        if talker.starts_with('P') || talker.is_empty() {
            return Ok(());
        }
        let columns = Columns::of(columns)?;
        self.put_time(code, &columns, fields);
        fields.label("talker", talker);
        fields.label("sentence", code);
        match sentences::find(code) {
            Some(sentence) => self.put(sentence, &columns, fields),
            None if code == "XDR" => self.put_transducers(&columns, fields),
            None => Ok(()),
        }
    }

    /// The sentence without its checksum.
    fn checked<'a>(&self, body: &'a str) -> Result<&'a str, &'static str> {
        let Some((body, digits)) = body.rsplit_once('*') else {
            let missing = "a sentence without its checksum: it is cut off, or write checksum = \"optional\"";
            return if self.needs_checksum { Err(missing) } else { Ok(body) };
        };
        let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
        match u8::from_str_radix(digits, 16) {
            Ok(said) if digits.len() == 2 && said == sum => Ok(body),
            _ => Err("the checksum is wrong: the sentence was changed on its way"),
        }
    }

    fn put_time(&mut self, code: &str, columns: &Columns<'_>, fields: &mut Fields<'_>) {
        let want = fields.want(UTC);
        if matches!(want, FieldUse::Time(_) | FieldUse::Captured)
            && let Some(ms) = self.clock.time_of(code, |number| columns.at(number))
        {
            fields.put(want, UTC, Scalar::Time(ms));
        }
    }

    fn put(
        &mut self,
        sentence: &Sentence,
        columns: &Columns<'_>,
        fields: &mut Fields<'_>,
    ) -> Result<(), &'static str> {
        if sentence.validity.is_some_and(|(at, words)| !words.contains(&columns.at(at))) {
            return Ok(());
        }
        for Column { at, name, kind } in sentence.columns {
            let text = columns.at(*at);
            let beside = columns.at(at + 1);
            if text.is_empty() {
                continue;
            }
            match kind {
                Kind::Number(unit) => put(fields, name, Scalar::Text(text), unit),
                Kind::Position(limit) => {
                    let degrees = position(text, beside, *limit).ok_or("a position that is none")?;
                    put(fields, name, Scalar::Number(degrees), "°");
                }
                Kind::Sided(unit, negative) => match text.parse::<f64>() {
                    Ok(size) => {
                        let sign = if beside == *negative { -1.0 } else { 1.0 };
                        put(fields, name, Scalar::Number(sign * size), unit);
                    }
                    Err(_) => put(fields, name, Scalar::Text(text), unit),
                },
                Kind::Wind(reference, unit) => {
                    self.path.clear();
                    // Writing to a string cannot fail.
                    let _ = write!(self.path, "{}_{name}", reference_of(columns.at(*reference))?);
                    let unit = unit.map_or("°", |at| speed_unit(columns.at(at)));
                    put(fields, &self.path, Scalar::Text(text), unit);
                }
                Kind::Engine(source, number) => {
                    self.path.clear();
                    let word = if columns.at(*source) == "S" { "shaft" } else { "engine" };
                    let _ = write!(self.path, "{word}_{}/{name}", columns.at(*number));
                    put(fields, &self.path, Scalar::Text(text), "rpm");
                }
            }
        }
        Ok(())
    }

    /// Puts the values of an XDR, of four columns each: kind, value, unit and name.
    fn put_transducers(
        &mut self,
        columns: &Columns<'_>,
        fields: &mut Fields<'_>,
    ) -> Result<(), &'static str> {
        if !columns.len.is_multiple_of(4) {
            return Err("an XDR whose columns are not four for each transducer");
        }
        for at in (0..columns.len).step_by(4) {
            let [kind, value, unit, name] = [0, 1, 2, 3].map(|column| columns.at(at + column));
            let unit = sentences::transducer_unit(kind, unit);
            if !name.is_empty() {
                put(fields, name, Scalar::Text(value), unit);
                continue;
            }
            self.path.clear();
            let _ = write!(self.path, "{kind}{}", at / 4);
            put(fields, &self.path, Scalar::Text(value), unit);
        }
        Ok(())
    }
}

fn put(fields: &mut Fields<'_>, path: &str, value: Scalar<'_>, unit: &str) {
    let want = fields.want(path);
    fields.put_measured(want, path, value, unit);
}

/// `4807.038` and `N` in degrees; `None`: it is none.
fn position(text: &str, side: &str, limit: f64) -> Option<f64> {
    let split = text.find('.').unwrap_or(text.len()).checked_sub(2)?;
    let (degrees, minutes) = text.split_at_checked(split)?;
    let degrees = if degrees.is_empty() { 0.0 } else { f64::from(degrees.parse::<u8>().ok()?) };
    let minutes: f64 = minutes.parse().ok()?;
    let size = degrees + minutes / 60.0;
    let sign = match side {
        "N" | "E" => 1.0,
        "S" | "W" => -1.0,
        _ => return None,
    };
    ((0.0..60.0).contains(&minutes) && (0.0..=limit).contains(&size)).then_some(sign * size)
}

fn reference_of(letter: &str) -> Result<&'static str, &'static str> {
    match letter {
        "R" => Ok("relative"),
        "T" => Ok("true"),
        _ => Err("a wind that is neither relative (`R`) nor true (`T`)"),
    }
}

fn speed_unit(letter: &str) -> &'static str {
    match letter {
        "N" => "kn",
        "M" => "m/s",
        "K" => "km/h",
        "S" => "mph",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::{Seen, decoded};
    use proptest::prelude::*;

    const NMEA: &str = "format = \"nmea\"\n";

    /// A sentence with its checksum.
    fn sentence(body: &str) -> String {
        format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte))
    }

    fn read(config: &str, bodies: &[&str]) -> Seen {
        let text: String = bodies.iter().map(|body| sentence(body)).collect();
        decoded(&format!("{NMEA}{config}"), "t", text.as_bytes())
    }

    fn values(seen: &Seen) -> Vec<(&str, f64)> {
        seen.readings.iter().map(|(series, _, value)| (series.as_str(), *value)).collect()
    }

    #[test]
    fn sentences_become_numbers_with_names() {
        let degrees = |degrees: f64, minutes: f64| degrees + minutes / 60.0;
        for (body, expected) in [
            (
                "GPGGA,123519,4807.038,N,01131.000,W,1,08,0.9,545.4,M,46.9,M,,",
                vec![
                    ("t/GPGGA/latitude", degrees(48.0, 7.038)),
                    ("t/GPGGA/longitude", -degrees(11.0, 31.0)),
                    ("t/GPGGA/quality", 1.0),
                    ("t/GPGGA/satellites", 8.0),
                    ("t/GPGGA/hdop", 0.9),
                    ("t/GPGGA/altitude", 545.4),
                    ("t/GPGGA/geoid_separation", 46.9),
                ],
            ),
            (
                "GNGGA,,,,,,0,00,99.99,,,,,,",
                vec![("t/GNGGA/quality", 0.0), ("t/GNGGA/satellites", 0.0), ("t/GNGGA/hdop", 99.99)],
            ),
            (
                "GPRMC,123519,A,0007.5,S,01131.000,E,022.4,084.4,230394,003.1,W",
                vec![
                    ("t/GPRMC/latitude", -degrees(0.0, 7.5)),
                    ("t/GPRMC/longitude", degrees(11.0, 31.0)),
                    ("t/GPRMC/speed", 22.4),
                    ("t/GPRMC/course", 84.4),
                    ("t/GPRMC/variation", -3.1),
                ],
            ),
            (
                "GPVTG,054.7,T,034.4,M,005.5,N,010.2,K",
                vec![("t/GPVTG/course", 54.7), ("t/GPVTG/course_magnetic", 34.4), ("t/GPVTG/speed", 5.5)],
            ),
            ("HEHDT,271.1,T", vec![("t/HEHDT/heading", 271.1)]),
            ("SDDBT,017.0,f,005.2,M,002.8,F", vec![("t/SDDBT/depth", 5.2)]),
            (
                "WIMWV,214.8,R,0.1,K,A",
                vec![("t/WIMWV/relative_wind_angle", 214.8), ("t/WIMWV/relative_wind_speed", 0.1)],
            ),
            (
                "WIMWV,033,T,10.5,N,A",
                vec![("t/WIMWV/true_wind_angle", 33.0), ("t/WIMWV/true_wind_speed", 10.5)],
            ),
            (
                "IIVWR,045.0,L,12.6,N,6.5,M,23.3,K",
                vec![("t/IIVWR/relative_wind_angle", -45.0), ("t/IIVWR/relative_wind_speed", 12.6)],
            ),
            (
                "YXXDR,C,19.52,C,TempAir,P,1.02481,B,,A,-4.2,D,PITCH",
                vec![("t/YXXDR/TempAir", 19.52), ("t/YXXDR/P1", 1.02481), ("t/YXXDR/PITCH", -4.2)],
            ),
            ("ERRPM,E,2,1450,10.5,A", vec![("t/ERRPM/engine_2/speed", 1_450.0)]),
            ("GPGSV,3,1,11,03,03,111,00", vec![("t/GPGSV/satellites_in_view", 11.0)]),
        ] {
            let seen = read("", &[body]);
            assert_eq!((values(&seen), seen.invalid.len()), (expected, 0), "{body}: {seen:?}");
        }
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            read("", &["HEHDT,271.1,T"]).series[0].1,
            [label("sentence", "HDT"), label("talker", "HE")]
        );
        let chosen = read(
            "fields = [\"speed\"]\nseries = \"{field}\"\nwhere = \"sentence == 'RMC'\"",
            &["GPVTG,1,T,,M,5.5,N,,K", "GPRMC,1,A,,,,,7.5,,,,"],
        );
        assert_eq!((values(&chosen), chosen.filtered), (vec![("speed", 7.5)], 1));
    }

    #[test]
    fn what_holds_no_numbers_is_ordinary() {
        for body in [
            "GPRMC,123519,V,,,,,,,230394,,",
            "GPGLL,4916.45,N,12311.12,W,225444,V",
            "WIMWV,214.8,R,0.1,K,V",
            "GPGSV,3,2,11,14,25,170,00",
            "GPZDA,201530.00,04,07,2002,00,00",
            "PGRME,15.0,M,45.0,M,25.0,M",
            "GPXYZ,1,2",
        ] {
            let seen = read("", &[body]);
            assert_eq!((seen.empty, seen.readings.len(), seen.invalid.len()), (1, 0, 0), "{body}: {seen:?}");
        }
        let ais = decoded(NMEA, "t", b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n");
        assert_eq!((ais.empty, ais.invalid.len()), (1, 0));
        let tagged = format!("\\s:r003,c:1425884460*06\\{}", sentence("HEHDT,271.1,T"));
        assert_eq!(decoded(NMEA, "t", tagged.as_bytes()).readings.len(), 1);
        assert_eq!(decoded(NMEA, "t", b"\r\n").empty, 1);
    }

    #[test]
    fn the_time_is_that_of_the_sentence_on_request() {
        let times = |config: &str, bodies: &[&str]| -> Vec<Option<i64>> {
            read(config, bodies).readings.iter().map(|(_, time, _)| *time).collect()
        };
        let fields = "fields = [\"latitude\", \"heading\"]\n";
        let rmc = "GPRMC,221320.25,A,4807.038,N,01131.0,E,,,141123,,";
        let midnight = "GPRMC,235959,A,4807.038,N,01131.0,E,,,141123,,";
        let gga = "GPGGA,000001,4807.038,N,01131.0,E,1,,,,,,,,";
        assert_eq!(times(fields, &[rmc]), [None]);
        let utc = format!("{fields}time = \"utc\"\ntime_else = \"arrival\"");
        assert_eq!(times(&utc, &[rmc, "HEHDT,271.1,T"]), [Some(1_700_000_000_250), None]);
        assert_eq!(
            times(&utc, &[gga, midnight, gga]),
            [None, Some(1_700_006_399_000), Some(1_700_006_401_000)]
        );
        for date in ["320123", "000123", "290223", "14112"] {
            assert_eq!(times(&utc, &[&rmc.replace("141123", date)]), [None], "{date}");
        }
    }

    #[test]
    fn the_likely_mistakes_cost_their_sentence_and_say_why() {
        let good = sentence("HEHDT,271.1,T");
        for (line, why) in [
            ("$HEHDT,271.1,T*00\r\n", "the checksum is wrong"),
            ("$HEHDT,271.1,T*2\r\n", "the checksum is wrong"),
            ("$HEHDT,271.1\r\n", "without its checksum: it is cut off, or write checksum = \"optional\""),
            ("HEHDT,271.1,T\r\n", "begins neither with `$` nor with `!`"),
            ("21.5\r\n", "begins neither"),
            ("{\"heading\": 1}\r\n", "begins neither"),
            ("\\s:x\r\n", "a tag block without its end"),
            (&sentence("HEHDT"), "a sentence without columns"),
            (&sentence("HE,1"), "an address without a talker"),
            (&sentence("YXXDR,C,19.52,C"), "not four for each transducer"),
            (&sentence("WIMWV,1,X,2,N,A"), "neither relative"),
            (&sentence("GPGGA,1,4867.0,N,01131.0,E,1"), "a position that is none"),
            (&sentence("GPGGA,1,9107.0,N,01131.0,E,1"), "a position that is none"),
            (&sentence("GPGGA,1,4807.0,,01131.0,E,1"), "a position that is none"),
            (&sentence(&format!("YXXDR{}", ",".repeat(200))), "too many columns"),
        ] {
            let seen = decoded(NMEA, "t", format!("{good}{line}{good}").as_bytes());
            assert_eq!((seen.readings.len(), seen.invalid.len()), (2, 1), "{line}: {seen:?}");
            assert!(seen.invalid[0].contains(why), "{line}: {:?}", seen.invalid);
        }
        let optional = format!("{NMEA}checksum = \"optional\"");
        assert_eq!(decoded(&optional, "t", b"$HEHDT,271.1,T").readings.len(), 1);
        assert_eq!(decoded(&optional, "t", b"$HEHDT,271.1,T*00").invalid.len(), 1);
        assert!(decoded(NMEA, "t", b"$GP\xff").invalid[0].contains("not UTF-8"));
        let seen = read("fields = [\"heading\"]", &["HEHDT,abc,T"]);
        assert!(seen.invalid[0].contains("`heading` is `abc`, not a number"), "{seen:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            decoded(NMEA, "t", &payload);
        }

        #[test]
        fn nearly_sentences_do_no_harm(code in "RMC|GGA|GLL|ZDA|XDR|MWV|GNS|RPM|HDG", columns in "[0-9.,NSEWARTé-]{0,60}") {
            let config = "time = \"utc\"\ntime_else = \"arrival\"";
            let seen = read(config, &[&format!("GP{code},{columns}"), "GPRMC,221320.25,A,4807.038,N,,E,,,141123,,"]);
            prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
        }
    }
}
