//! Metrics of a Sparkplug payload: names, aliases, kinds, values and units.

use crate::fields::Scalar;
use headwater_protobuf::{BadWire, WireFields, WireValue};

/// The kinds whose value needs more than its bytes to be read: the numbers of `DataType`.
mod kinds {
    pub(super) const INT8: u64 = 1;
    pub(super) const INT16: u64 = 2;
    pub(super) const INT32: u64 = 3;
    pub(super) const INT64: u64 = 4;
    pub(super) const DATE_TIME: u64 = 13;
}

/// The properties that say the unit of a metric, as Ignition and others write it.
const UNIT_PROPERTIES: [&str; 2] = ["engUnit", "unit"];

/// A metric.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Metric<'a> {
    /// Empty in data, where a birth gave it an alias.
    pub(super) name: &'a str,
    /// Whether its name is not UTF-8, and therefore left out.
    pub(super) is_misnamed: bool,
    pub(super) alias: Option<u64>,
    /// [ms since the Unix epoch]; 0: it has none of its own.
    pub(super) time: u64,
    /// A number of `DataType`; 0: the birth said it.
    pub(super) kind: u64,
    is_null: bool,
    value: Option<MetricValue<'a>>,
    pub(super) unit: &'a str,
}

#[derive(Clone, Copy, Debug)]
enum MetricValue<'a> {
    Whole(u64),
    Number(f64),
    Boolean(bool),
    Text(&'a str),
    Template(&'a [u8]),
    /// A text that is not UTF-8.
    Garbled,
    /// Bytes, files, data sets and lists.
    Other,
}

impl<'a> Metric<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, BadWire> {
        let (mut metric, mut fields) = (Self::default(), WireFields(bytes));
        while let Some((field, value)) = fields.field()? {
            match (field, value) {
                (1, WireValue::Bytes(name)) => match std::str::from_utf8(name) {
                    Ok(name) => metric.name = name,
                    Err(_) => metric.is_misnamed = true,
                },
                (1, _) => return Err(BadWire),
                (2, value) => metric.alias = Some(value.number()),
                (3, value) => metric.time = value.number(),
                (4, value) => metric.kind = value.number(),
                (7, value) => metric.is_null = value.number() != 0,
                (9, value) => metric.unit = unit(value.bytes())?.unwrap_or(metric.unit),
                (10 | 11, WireValue::Varint(whole)) => metric.value = Some(MetricValue::Whole(whole)),
                (12, WireValue::Bits32(bits)) => {
                    metric.value = Some(MetricValue::Number(f64::from(f32::from_bits(bits))));
                }
                (13, WireValue::Bits64(bits)) => {
                    metric.value = Some(MetricValue::Number(f64::from_bits(bits)))
                }
                (14, value) => metric.value = Some(MetricValue::Boolean(value.number() != 0)),
                (15, WireValue::Bytes(text)) => {
                    let text = std::str::from_utf8(text);
                    metric.value = Some(text.map_or(MetricValue::Garbled, MetricValue::Text));
                }
                (15, _) => return Err(BadWire),
                (18, WireValue::Bytes(template)) => metric.value = Some(MetricValue::Template(template)),
                (16..=19, _) => metric.value = Some(MetricValue::Other),
                _ => {}
            }
        }
        Ok(metric)
    }

    /// The template that is its value, with metrics of its own.
    pub(super) fn template(&self) -> Option<Template<'a>> {
        let Some(MetricValue::Template(bytes)) = self.value.filter(|_| !self.is_null) else { return None };
        Some(Template(WireFields(bytes)))
    }

    /// Whether its value is a text that is not UTF-8.
    pub(super) fn is_garbled(&self) -> bool {
        matches!(self.value, Some(MetricValue::Garbled)) && !self.is_null
    }

    /// Its value; `kind` is that of its birth.
    pub(super) fn scalar(&self, kind: u64) -> Scalar<'a> {
        let kind = if self.kind == 0 { kind } else { self.kind };
        match self.value {
            _ if self.is_null => Scalar::Null,
            None => Scalar::Null,
            Some(MetricValue::Whole(whole)) => whole_number(kind, whole),
            Some(MetricValue::Number(number)) => Scalar::Number(number),
            Some(MetricValue::Boolean(answer)) => Scalar::Boolean(answer),
            Some(MetricValue::Text(text)) => Scalar::Text(text),
            Some(MetricValue::Template(_) | MetricValue::Other | MetricValue::Garbled) => Scalar::Compound,
        }
    }
}

/// The metrics of a template.
pub(super) struct Template<'a>(WireFields<'a>);

impl<'a> Template<'a> {
    /// The next metric; `None`: there is none left.
    pub(super) fn next(&mut self) -> Result<Option<Metric<'a>>, BadWire> {
        while let Some((field, value)) = self.0.field()? {
            if field == 2 {
                return Metric::read(value.bytes()).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether it says what templates look like, and holds no values.
    pub(super) fn is_definition(&self) -> Result<bool, BadWire> {
        let mut fields = self.0;
        while let Some((field, value)) = fields.field()? {
            if field == 5 {
                return Ok(value.number() != 0);
            }
        }
        Ok(false)
    }
}

/// Negative numbers come as two's complement of 32 bits, of some senders as that of their own size.
fn whole_number(kind: u64, whole: u64) -> Scalar<'static> {
    let [low, high, ..] = whole.to_le_bytes();
    let of_32 = || {
        let [a, b, c, d, ..] = whole.to_le_bytes();
        i64::from(i32::from_le_bytes([a, b, c, d]))
    };
    Scalar::Integer(match kind {
        kinds::INT8 if whole <= 0xff => i64::from(i8::from_le_bytes([low])),
        kinds::INT16 if whole <= 0xffff => i64::from(i16::from_le_bytes([low, high])),
        kinds::INT8 | kinds::INT16 | kinds::INT32 => of_32(),
        kinds::INT64 => whole.cast_signed(),
        kinds::DATE_TIME => {
            return crate::TimeFormat::UnixMs
                .of_integer(whole.cast_signed())
                .map_or(Scalar::Number(f64::NAN), Scalar::Time);
        }
        _ => match i64::try_from(whole) {
            Ok(integer) => integer,
            Err(_) => return Scalar::Number(large(whole)),
        },
    })
}

/// Above 2^53 the nearest float, as the documentation of the formats says.
#[expect(clippy::cast_precision_loss, reason = "documented")]
fn large(whole: u64) -> f64 {
    whole as f64
}

/// The unit that a set of properties says. Its keys and values are two lists.
fn unit(set: &[u8]) -> Result<Option<&str>, BadWire> {
    let (mut keys, mut number) = (WireFields(set), 0_usize);
    while let Some((field, value)) = keys.field()? {
        if field != 1 {
            continue;
        }
        if value.text().is_some_and(|key| UNIT_PROPERTIES.contains(&key)) {
            return property(set, number);
        }
        number += 1;
    }
    Ok(None)
}

/// The text of a property.
fn property(set: &[u8], mut number: usize) -> Result<Option<&str>, BadWire> {
    let mut values = WireFields(set);
    while let Some((field, value)) = values.field()? {
        if field != 2 {
            continue;
        }
        if number > 0 {
            number -= 1;
            continue;
        }
        let mut parts = WireFields(value.bytes());
        while let Some((field, value)) = parts.field()? {
            if field == 8 {
                return Ok(value.text());
            }
        }
        return Ok(None);
    }
    Ok(None)
}
