//! Metrics as they stand in a payload. The encoder writes them; a node reads their names and types for its births.

use headwater_protobuf::{BadWire, WireFields, WireValue, put_bits64, put_bytes, put_number};

/// The number of the field of a `Payload` that has its metrics.
pub(super) const METRICS: u8 = 2;

/// The numbers of the fields of a `Metric`.
mod fields {
    pub(super) const NAME: u8 = 1;
    pub(super) const TIMESTAMP: u8 = 3;
    pub(super) const DATATYPE: u8 = 4;
    pub(super) const IS_HISTORICAL: u8 = 5;
    pub(super) const IS_NULL: u8 = 7;
    pub(super) const PROPERTIES: u8 = 9;
    pub(super) const LONG: u8 = 11;
    pub(super) const BOOLEAN: u8 = 14;
}

/// The numbers of `DataType`.
mod types {
    pub(super) const INT64: u64 = 4;
    pub(super) const BOOLEAN: u64 = 11;
}

/// A metric of a payload.
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    /// [ms since the Unix epoch]; 0: it has none.
    pub(super) time: u64,
    /// Whether it is a Boolean that holds.
    pub(super) is_true: bool,
    /// All of it.
    pub(super) bytes: &'a [u8],
}

/// The metrics of a payload, or of a part of one.
pub(super) fn metrics_of(payload: &[u8]) -> Result<Vec<Metric<'_>>, BadWire> {
    let (mut metrics, mut fields) = (Vec::new(), WireFields(payload));
    while let Some((field, value)) = fields.field()? {
        if small(field) == METRICS {
            metrics.push(Metric::read(value.bytes())?);
        }
    }
    Ok(metrics)
}

impl<'a> Metric<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, BadWire> {
        let mut metric = Self { name: "", time: 0, is_true: false, bytes };
        let mut fields = WireFields(bytes);
        while let Some((field, value)) = fields.field()? {
            match small(field) {
                fields::NAME => metric.name = value.text().ok_or(BadWire)?,
                fields::TIMESTAMP => metric.time = value.number(),
                fields::BOOLEAN => metric.is_true = value.number() != 0,
                _ => {}
            }
        }
        Ok(metric)
    }

    /// Name, type and properties, and that there is no value.
    pub(super) fn without_value(&self) -> Vec<u8> {
        let (mut metric, mut read) = (Vec::with_capacity(self.bytes.len()), WireFields(self.bytes));
        while let Ok(Some((field, value))) = read.field() {
            let field = small(field);
            if matches!(field, fields::NAME | fields::TIMESTAMP | fields::DATATYPE | fields::PROPERTIES) {
                put(&mut metric, field, value);
            }
        }
        put_number(&mut metric, fields::IS_NULL, 1);
        metric
    }

    /// Appends it to a payload.
    pub(super) fn put(&self, is_historical: bool, to: &mut Vec<u8>) {
        let mut metric = self.bytes.to_vec();
        if is_historical {
            put_number(&mut metric, fields::IS_HISTORICAL, 1);
        }
        put_bytes(to, METRICS, &metric);
    }
}

/// The number of a field; 0 of one that is not known here.
fn small(field: u64) -> u8 {
    u8::try_from(field).unwrap_or_default()
}

fn put(to: &mut Vec<u8>, field: u8, value: WireValue<'_>) {
    match value {
        WireValue::Varint(number) => put_number(to, field, number),
        WireValue::Bits64(bits) => put_bits64(to, field, bits),
        WireValue::Bytes(bytes) => put_bytes(to, field, bytes),
        WireValue::Bits32(_) => debug_assert!(false, "no such field has four bytes"),
    }
}

/// A metric with a whole number.
pub(super) fn number(name: &str, time: u64, number: u64) -> Vec<u8> {
    metric(name, time, (types::INT64, fields::LONG, number))
}

/// A metric that holds or not.
pub(super) fn boolean(name: &str, time: u64, value: bool) -> Vec<u8> {
    metric(name, time, (types::BOOLEAN, fields::BOOLEAN, value.into()))
}

fn metric(name: &str, time: u64, (datatype, field, value): (u64, u8, u64)) -> Vec<u8> {
    let mut metric = Vec::with_capacity(name.len() + 16);
    put_bytes(&mut metric, fields::NAME, name.as_bytes());
    if time > 0 {
        put_number(&mut metric, fields::TIMESTAMP, time);
    }
    put_number(&mut metric, fields::DATATYPE, datatype);
    put_number(&mut metric, field, value);
    metric
}
