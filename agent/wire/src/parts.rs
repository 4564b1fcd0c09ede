//! A message as its fields, each of them encoded by itself: what batches and short keys are put together from.

use super::fields::Fields;
use super::short;
use serde::Serialize;
use std::ops::Range;

/// The form of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartForm {
    Json,
    Cbor,
    /// CBOR with numbers for the known keys.
    ShortCbor,
}

/// Encoded fields, in order.
pub(super) struct Parts {
    form: PartForm,
    /// The field that is left out.
    without: Option<&'static str>,
    bytes: Vec<u8>,
    fields: Vec<Part>,
    pub(super) failed: Option<String>,
}

struct Part {
    key: Range<usize>,
    value: Range<usize>,
}

impl Parts {
    pub(super) fn new(form: PartForm, without: Option<&'static str>) -> Self {
        Self { form, without, bytes: Vec::new(), fields: Vec::new(), failed: None }
    }

    /// The key and the value of each field.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.fields.iter().map(move |part| (of(&part.key), of(&part.value)))
    }

    fn append(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), String> {
        match self.form {
            PartForm::Json => {
                serde_json::to_writer(&mut self.bytes, value).map_err(|error| error.to_string())
            }
            PartForm::Cbor | PartForm::ShortCbor => {
                serde_cbor::to_writer(&mut self.bytes, &value).map_err(|error| error.to_string())
            }
        }
    }
}

impl Fields for Parts {
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        if self.failed.is_some() || self.without == Some(name) {
            return;
        }
        let begin = self.bytes.len();
        let key = match short::number(name).filter(|_| self.form == PartForm::ShortCbor) {
            Some(number) => self.append(&number),
            None => self.append(name),
        };
        let middle = self.bytes.len();
        self.failed = key.and_then(|()| self.append(value)).err();
        self.fields.push(Part { key: begin..middle, value: middle..self.bytes.len() });
    }
}

/// Appends a map of fields.
pub(super) fn put_map(form: PartForm, fields: &[(&[u8], &[u8])], to: &mut Vec<u8>) {
    if form != PartForm::Json {
        put_head(0xa0, fields.len(), to);
        fields.iter().for_each(|(key, value)| {
            to.extend_from_slice(key);
            to.extend_from_slice(value);
        });
        return;
    }
    to.push(b'{');
    for (position, (key, value)) in fields.iter().enumerate() {
        if position > 0 {
            to.push(b',');
        }
        to.extend_from_slice(key);
        to.push(b':');
        to.extend_from_slice(value);
    }
    to.push(b'}');
}

/// Appends the head of a CBOR array (0x80) or map (0xa0; RFC 8949, 3).
pub(super) fn put_head(major: u8, length: usize, to: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..24), _) => to.push(major | length),
        (Ok(length), _) => to.extend([major | 24, length]),
        (_, Ok(length)) => {
            to.push(major | 25);
            to.extend(length.to_be_bytes());
        }
        _ => {
            to.push(major | 26);
            to.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}
