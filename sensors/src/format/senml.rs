//! SenML (RFC 8428), in JSON and in CBOR: packs of records with base values, units, sums and times.
//!
//! The base name is the record's name, `n` is the field, or `value` where there is none. Records of a pack with one base
//! name and one time are one record. A sum is the field `n/sum`, in its unit times seconds. A time below 2^28 counts from
//! the arrival. Deviations: units are taken as they are, `ut` and data values are passed over, and a name may have any
//! sign. Cost: one pass, and no allocation.

use super::cbor_tokens::CborTokens;
use super::json_tokens::Scanner;
use super::tree::{Shown, Tokens, TreeToken};
use super::{Format, FormatKind, bare};
use crate::TimeFormat;
use crate::fields::{DecodeError, Fields, Scalar, UNIT_BYTES_MAX};
use crate::time::is_in_other_unit;
use std::fmt::Write;

pub(super) const KIND: FormatKind =
    FormatKind { name: "senml", read: |_, _| Some(Box::<Senml>::default()), sample: "format = \"senml\"\n" };

/// The version of RFC 8428.
const VERSION: f64 = 10.0;

/// Times below this count from the arrival (s).
const ABSOLUTE: f64 = 268_435_456.0;

/// The field of a record without a name of its own.
const UNNAMED: &str = "value";

/// What a pack says; the memory of its texts is reused.
#[derive(Clone, Debug, Default)]
struct Senml {
    base: Entry,
    own: Entry,
    /// The base name without the marks at its ends.
    device: String,
    /// The first field and the time of the record that is open.
    open: Option<f64>,
    first: String,
    /// Whether the base name is another one than that of the open record.
    is_renamed: bool,
    /// The unit of a sum.
    sum_unit: String,
    sum_name: String,
}

/// One entry of a pack, or the base values.
#[derive(Clone, Debug, Default)]
struct Entry {
    name: String,
    unit: String,
    text: String,
    value: Value,
    sum: Option<f64>,
    seconds: f64,
}

/// The value of an entry; its text is beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Value {
    #[default]
    None,
    Number(f64),
    Integer(i64),
    Boolean(bool),
    Text,
}

impl Entry {
    fn clear(&mut self) {
        self.name.clear();
        self.unit.clear();
        (self.value, self.sum, self.seconds) = (Value::None, None, 0.0);
    }
}

impl Format for Senml {
    fn brings_labels(&self) -> bool {
        true
    }

    fn brings_time(&self) -> bool {
        true
    }

    fn series(&self) -> &'static str {
        "{topic}/{name}/{field}"
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        self.base.clear();
        self.device.clear();
        self.open = None;
        let text = bare(payload).trim_ascii_start();
        let is_empty = match text.first() {
            None => true,
            Some(b'[' | b'{') => {
                let mut scanner = Scanner::new(text)?;
                let is_empty = self.pack(&mut scanner, fields)?;
                scanner.end()?;
                is_empty
            }
            Some(b'<') => return Err(DecodeError::new("not SenML in JSON or CBOR: XML is not read")),
            Some(_) => {
                let mut tokens = CborTokens::new(payload);
                let is_empty = self.pack(&mut tokens, fields)?;
                tokens.end()?;
                is_empty
            }
        };
        if self.open.take().is_some() || is_empty {
            fields.end();
        }
        Ok(())
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

impl Senml {
    /// Reads a list of entries; answers whether nothing is in it.
    fn pack<'a, T: Tokens<'a>>(
        &mut self,
        tokens: &mut T,
        fields: &mut Fields<'_>,
    ) -> Result<bool, DecodeError> {
        let TreeToken::List(mut items) = tokens.next_value().map_err(Into::into)? else {
            return Err(DecodeError::new("not SenML: a pack is a list of records"));
        };
        let mut is_empty = true;
        while tokens.next_item(&mut items).map_err(Into::into)? {
            let TreeToken::Object(mut members) = tokens.next_value().map_err(Into::into)? else {
                return Err(DecodeError::new("not SenML: a pack is a list of records"));
            };
            self.own.clear();
            let mut mistake = None;
            while let Some(name) = tokens.next_name(&mut members).map_err(Into::into)? {
                let token = tokens.next_value().map_err(Into::into)?;
                mistake = self.member(&name.shown(), token).err().or(mistake);
                tokens.skip_value(token).map_err(Into::into)?;
            }
            match mistake.map_or_else(|| self.put(fields), Err) {
                Ok(has_value) => is_empty &= !has_value,
                Err(why) => {
                    is_empty = false;
                    self.close(fields);
                    fields.reject(DecodeError::new(format!("not SenML: {why}")));
                }
            }
        }
        Ok(is_empty)
    }

    /// Takes a member of an entry, by its name in JSON or its label in CBOR.
    fn member<'a, T: Tokens<'a>>(&mut self, name: &str, token: TreeToken<'a, T>) -> Result<(), &'static str> {
        let Self { base, own, device, .. } = self;
        match name {
            "bn" | "-2" => {
                self.is_renamed = true;
                take_text(&mut base.name, token)?;
                device.clear();
                device.push_str(base.name.trim_matches('/').trim_end_matches(':'));
                Ok(())
            }
            "n" | "0" => take_text(&mut own.name, token),
            "bu" | "-4" => take_text(&mut base.unit, token),
            "u" | "1" => take_text(&mut own.unit, token),
            "bt" | "-3" => number(token).map(|seconds| base.seconds = seconds),
            "t" | "6" => number(token).map(|seconds| own.seconds = seconds),
            "bv" | "-5" => number(token).map(|value| base.value = Value::Number(value)),
            "bs" | "-6" => number(token).map(|sum| base.sum = Some(sum)),
            "s" | "5" => number(token).map(|sum| own.sum = Some(sum)),
            "v" | "2" | "vb" | "4" | "vs" | "3" => {
                own.value = match token {
                    TreeToken::Scalar(Scalar::Integer(integer)) => Value::Integer(integer),
                    TreeToken::Scalar(Scalar::Number(number)) => Value::Number(number),
                    TreeToken::Scalar(Scalar::Boolean(answer)) => Value::Boolean(answer),
                    TreeToken::Text(text) => {
                        own.text.clear();
                        own.text.push_str(&text.shown());
                        Value::Text
                    }
                    TreeToken::Scalar(_) => Value::None,
                    TreeToken::Object(_) | TreeToken::List(_) => {
                        return Err("a value that is an object or a list");
                    }
                };
                Ok(())
            }
            "bver" | "-1" if number(token)? > VERSION => Err("a version above 10, which is that of RFC 8428"),
            _ if name.ends_with('_') => Err("a field with `_` at its end, which whoever reads it must know"),
            _ => Ok(()),
        }
    }

    /// Puts what the entry says with its base values. Answers whether that is a value.
    fn put(&mut self, fields: &mut Fields<'_>) -> Result<bool, &'static str> {
        let Self { base, own, .. } = self;
        let sum = own.sum.or(base.sum.filter(|_| own.value != Value::None));
        if own.value == Value::None && sum.is_none() {
            return Ok(false);
        }
        if base.name.is_empty() && own.name.is_empty() {
            return Err("a record without `n`, in a pack without `bn`");
        }
        let seconds = base.seconds + own.seconds;
        let field = own.name.trim_start_matches('/');
        let field = if field.is_empty() { UNNAMED } else { field };
        let is_other = self.open.is_some_and(|open| open.total_cmp(&seconds).is_ne()) || self.first == field;
        if std::mem::take(&mut self.is_renamed) || is_other {
            self.close(fields);
        }
        self.begin(seconds, fields)?;
        self.put_values(sum, fields);
        Ok(true)
    }

    /// Ends the record that is open.
    fn close(&mut self, fields: &mut Fields<'_>) {
        if self.open.take().is_some() {
            fields.end();
        }
        self.first.clear();
    }

    /// Opens a record, unless one is open.
    fn begin(&mut self, seconds: f64, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        if self.open.is_some() {
            return Ok(());
        }
        if !self.device.is_empty() {
            fields.name(&self.device);
        }
        let is_plain = |ms: &i64| seconds < ABSOLUTE || !is_in_other_unit(*ms, Scalar::Number(seconds));
        let ms = TimeFormat::Unix.of_number(seconds).filter(is_plain);
        let ms = ms.ok_or("a time that is none in seconds, in which SenML counts")?;
        if seconds >= ABSOLUTE {
            fields.time(ms);
        } else if ms != 0 {
            fields.time_from_arrival(ms);
        }
        self.open = Some(seconds);
        Ok(())
    }

    fn put_values(&mut self, sum: Option<f64>, fields: &mut Fields<'_>) {
        let Self { base, own, first, .. } = self;
        let field = own.name.trim_start_matches('/');
        let field = if field.is_empty() { UNNAMED } else { field };
        if first.is_empty() {
            first.push_str(field);
        }
        let unit = if own.unit.is_empty() { &base.unit } else { &own.unit };
        let unit = if unit.len() > UNIT_BYTES_MAX { "" } else { unit.as_str() };
        let value = match (own.value, base.value) {
            (Value::Number(number), Value::Number(base)) => Some(Scalar::Number(base + number)),
            (Value::Integer(integer), Value::Number(base)) => {
                Some(Scalar::Number(base + crate::fields::nearest(integer)))
            }
            (Value::Number(number), _) => Some(Scalar::Number(number)),
            (Value::Integer(integer), _) => Some(Scalar::Integer(integer)),
            (Value::Boolean(answer), _) => Some(Scalar::Boolean(answer)),
            (Value::Text, _) => Some(Scalar::Text(&own.text)),
            (Value::None, _) => None,
        };
        if let Some(value) = value {
            let want = fields.want(field);
            fields.put_measured(want, field, value, unit);
        }
        if let Some(sum) = sum {
            self.sum_name.clear();
            self.sum_unit.clear();
            // Writing to a string cannot fail.
            let _ = write!(self.sum_name, "{field}/sum");
            if !unit.is_empty() {
                let _ = write!(self.sum_unit, "{unit}·s");
            }
            let sum = sum + base.sum.filter(|_| own.sum.is_some()).unwrap_or_default();
            let want = fields.want(&self.sum_name);
            fields.put_measured(want, &self.sum_name, Scalar::Number(sum), &self.sum_unit);
        }
    }
}

fn take_text<'a, T: Tokens<'a>>(to: &mut String, token: TreeToken<'a, T>) -> Result<(), &'static str> {
    let TreeToken::Text(text) = token else { return Err("a name or a unit that is no text") };
    to.clear();
    to.push_str(&text.shown());
    Ok(())
}

fn number<'a, T: Tokens<'a>>(token: TreeToken<'a, T>) -> Result<f64, &'static str> {
    match token {
        TreeToken::Scalar(Scalar::Integer(integer)) => Ok(crate::fields::nearest(integer)),
        TreeToken::Scalar(Scalar::Number(number)) if number.is_finite() => Ok(number),
        TreeToken::Scalar(Scalar::Time(ms)) => Ok(crate::fields::seconds(ms)),
        _ => Err("a time, a base value or a sum that is no number"),
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::{Seen, config, context, decoded};
    use crate::{ConnectionState, Decoder, SeriesRef, Sink, Stamp};
    use proptest::prelude::*;

    const SENML: &str = "format = \"senml\"\n";

    /// Series with their units, stamps and values.
    #[derive(Default)]
    struct Measured {
        units: Vec<String>,
        unit: Option<String>,
        readings: Vec<(String, Stamp, f64)>,
        mistakes: Vec<String>,
        empty: u32,
    }

    impl Sink for Measured {
        fn series(&mut self, name: &str, _: &[(String, String)]) -> Option<SeriesRef> {
            let name = format!("{name} {}", self.unit.take().unwrap_or_default());
            let known = self.units.iter().position(|known| known.split(' ').next() == name.split(' ').next());
            let number = known.unwrap_or_else(|| {
                self.units.push(name.trim_end().to_owned());
                self.units.len() - 1
            });
            Some(SeriesRef(number as u64))
        }
        fn unit(&mut self, unit: &str) {
            self.unit = Some(unit.to_owned());
        }
        fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
            self.readings.push((self.units[series.0 as usize].clone(), stamp, value));
        }
        fn refused(&mut self, _: u32) {}
        fn invalid(&mut self, _: &str, why: &dyn std::fmt::Display) {
            self.mistakes.push(why.to_string());
        }
        fn empty(&mut self, count: u32) {
            self.empty += count;
        }
        fn connection(&mut self, _: ConnectionState<'_>) {}
    }

    fn measured(payload: &[u8]) -> Measured {
        let mut seen = Measured::default();
        Decoder::new(&config(SENML, &["#"]), &context()).on_payload("t", payload, &mut seen);
        seen
    }

    fn rows(seen: &Measured) -> Vec<(&str, Stamp, f64)> {
        seen.readings.iter().map(|(name, stamp, value)| (name.as_str(), *stamp, *value)).collect()
    }

    /// The packs of RFC 8428, sections 5 and 6.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let at = |ms: i64| Stamp::Event(ms);
        let one = br#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#;
        assert_eq!(rows(&measured(one)), [("t/urn:dev:ow:10e2073a01080063 Cel", Stamp::Arrival, 23.1)]);
        let two = br#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]"#;
        let device = "t/urn:dev:ow:10e2073a01080063";
        let named = |field: &str| format!("{device}/{field}");
        let (volts, amperes) = (named("voltage V"), named("current A"));
        assert_eq!(
            rows(&measured(two)),
            [(volts.as_str(), Stamp::Arrival, 120.1), (amperes.as_str(), Stamp::Arrival, 1.2)]
        );
        let relative = br#"[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
            {"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","v":1.7}]"#;
        assert_eq!(
            rows(&measured(relative)),
            [
                (volts.as_str(), at(1_276_020_076_001), 120.1),
                (amperes.as_str(), at(1_276_020_071_001), 1.2),
                (amperes.as_str(), at(1_276_020_072_001), 1.3),
                (amperes.as_str(), at(1_276_020_076_001), 1.7),
            ]
        );
        let kinds = br#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},{"n":"label","vs":"Machine Room"},
            {"n":"open","vb":false},{"n":"nfc-reader","vd":"aGkgCg"}]"#;
        assert_eq!(measured(kinds).readings.iter().map(|r| r.2).collect::<Vec<_>>(), [23.1, 0.0]);
        let binary = [
            0x82, 0xa3, 0x21, 0x63, b'd', b'e', b'v', 0x22, 0x1a, 0x65, 0x53, 0xf1, 0x00, 0x23, 0x61, b'A',
            0xa3, 0x00, 0x61, b'i', 0x06, 0x39, 0x00, 0x04, 0x02, 0xf9, 0x3e, 0x00,
        ];
        assert_eq!(rows(&measured(&binary)), [("t/dev/i A", at(1_699_999_995_000), 1.5)]);
    }

    #[test]
    fn base_values_sums_and_times_from_the_arrival() {
        let pack = br#"[{"bn":"meter/","bu":"W","bv":100,"bs":1000,"n":"power","v":5,"s":20},{"n":"energy","s":7,"t":-60},
            {"n":"late","u":"Cel","v":0.5,"t":-0.25},{"bn":"/3303/0/","n":"5700","v":1}]"#;
        assert_eq!(
            rows(&measured(pack)),
            [
                ("t/meter/power W", Stamp::Arrival, 105.0),
                ("t/meter/power/sum W\u{b7}s", Stamp::Arrival, 1_020.0),
                ("t/meter/energy/sum W\u{b7}s", Stamp::FromArrival(-60_000), 1_007.0),
                ("t/meter/late Cel", Stamp::FromArrival(-250), 100.5),
                ("t/meter/late/sum Cel\u{b7}s", Stamp::FromArrival(-250), 1_000.0),
                ("t/3303/0/5700 W", Stamp::Arrival, 101.0),
                ("t/3303/0/5700/sum W\u{b7}s", Stamp::Arrival, 1_000.0),
            ]
        );
        // One field in two units, in one pack.
        let units = br#"[{"bn":"a","n":"t","u":"Cel","v":1},{"bn":"b","n":"t","u":"K","v":2}]"#;
        assert_eq!(
            rows(&measured(units)),
            [("t/a/t Cel", Stamp::Arrival, 1.0), ("t/b/t K", Stamp::Arrival, 2.0)]
        );
    }

    #[test]
    fn names_and_conditions_are_as_configured() {
        let config =
            format!("{SENML}fields = [\"temp\"]\nseries = \"{{name}}.{{field}}\"\nwhere = \"quality > 0.5\"");
        let pack = br#"[{"bn":"a","n":"temp","v":1},{"n":"quality","v":1},{"bn":"b","n":"temp","v":2},{"n":"quality","v":0}]"#;
        let seen = decoded(&config, "t", pack);
        assert_eq!((seen.readings.as_slice(), seen.filtered), (&[("a.temp".to_owned(), None, 1.0)][..], 1));
    }

    #[test]
    fn the_likely_mistakes_cost_their_record_and_say_why() {
        for (entry, why) in [
            (r#"{"v":1}"#, "a record without `n`, in a pack without `bn`"),
            (r#"{"n":5,"v":1}"#, "a name or a unit that is no text"),
            (r#"{"n":"a","t":"noon","v":1}"#, "a time, a base value or a sum that is no number"),
            (r#"{"n":"a","t":1e300,"v":1}"#, "a time that is none in seconds"),
            (r#"{"n":"a","v":[1]}"#, "a value that is an object or a list"),
            (r#"{"n":"a","bver":11,"v":1}"#, "a version above 10"),
            (r#"{"n":"a","must_":1,"v":1}"#, "`_` at its end"),
        ] {
            let seen = measured(format!(r#"[{{"n":"ok","v":1}},{entry},{{"n":"ok","v":2}}]"#).as_bytes());
            assert_eq!((seen.readings.len(), seen.mistakes.len()), (2, 1), "{entry}: {:?}", seen.mistakes);
            assert!(seen.mistakes[0].contains(why), "{entry}: {:?}", seen.mistakes);
        }
        for (payload, why) in [
            (&br#"{"n":"a","v":1}"#[..], "a pack is a list of records"),
            (b"[1]", "a pack is a list of records"),
            (b"[{\"n\":\"a\",\"v\":1}", "not JSON"),
            (b"[{\"n\":\"a\",\"v\":1}] x", "expected nothing more"),
            (b"<sensml/>", "XML is not read"),
            (b"\x82\xa2", "not CBOR: a list or map of more members"),
            (b"hello", "not CBOR"),
        ] {
            let seen = measured(payload);
            assert_eq!((seen.readings.len(), seen.mistakes.len()), (0, 1), "{why}: {:?}", seen.mistakes);
            assert!(seen.mistakes[0].contains(why), "{:?}", seen.mistakes);
        }
        assert_eq!(
            measured(br#"[{"n":"a","v":NaN},{"n":"b","v":1}]"#).mistakes,
            ["`a` is infinite or not a number"]
        );
        assert_eq!(measured(br#"[{"n":"a","v":"21.5"}]"#).readings.len(), 1);
        for empty in [&b""[..], b"[]", b"\x80", b"[{\"n\":\"a\",\"vs\":\"text\"}]"] {
            assert_eq!((measured(empty).empty, measured(empty).mistakes.len()), (1, 0), "{empty:?}");
        }
    }

    fn finite(seen: &Seen) -> bool {
        seen.readings.iter().all(|(_, _, value)| value.is_finite())
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(finite(&decoded(SENML, "t", &payload)));
        }

        #[test]
        fn nearly_packs_do_no_harm(members in prop::collection::vec(("[bnutvs]{1,2}", "-?[0-9]{1,12}|\"[a/:]{0,3}\"|true"), 0..12)) {
            let entries: Vec<String> = members.chunks(3).map(|entry| {
                format!("{{{}}}", entry.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(","))
            }).collect();
            let pack = format!("[{}]", entries.join(","));
            prop_assert!(finite(&decoded(SENML, "t", pack.as_bytes())));
        }
    }
}
