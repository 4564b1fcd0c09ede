//! SML: what the optical head of an electricity meter says in bytes (Smart Message Language 1.04, BSI TR-03109-1).
//!
//! Every value of a list that a meter sends (`SML_GetList.Res`) is a field of one record, under its code as `obis` has it: `1-0:1.8.0`.
//! `*255`, which means the present value, is left out. The scaler is applied, and the unit is that of the code. Texts, keys and
//! identities are no readings. The time is that of the arrival, because meters count the seconds since they were mounted.
//!
//! A payload holds telegrams of version 1 of the transport, each checked by its CRC, with whatever between them, or the messages alone,
//! whose own CRCs are not looked at. A stream of bytes is cut into telegrams by [`SmlSplitter`]. Cost: two passes, and no allocation.

use super::{Format, FormatKind, PayloadFraming};
use crate::fields::{DecodeError, Fields, Scalar};
use crate::sml_telegram::{SmlSplitter, unwrap};
use std::fmt::Write as _;

pub(super) const KIND: FormatKind =
    FormatKind { name: "sml", read: |_, _| Some(Box::<Sml>::default()), sample: "format = \"sml\"\n" };

/// The messages of one telegram begin so: a list of six.
const MESSAGE: u8 = 0x76;

/// The tag of a message that holds a list of values.
const GET_LIST_RESPONSE: u64 = 0x0701;

/// The most levels of lists. Real messages have seven.
const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug, Default)]
struct Sml {
    splitter: SmlSplitter,
    /// The messages of a telegram.
    messages: Vec<u8>,
    code: String,
}

impl Format for Sml {
    fn framing(&self) -> PayloadFraming {
        PayloadFraming::Sml
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        if payload.is_empty() {
            fields.end();
        }
        if payload.first() == Some(&MESSAGE) {
            return read_messages(payload, &mut self.code, fields).map_err(DecodeError::new);
        }
        let Self { splitter, messages, code } = self;
        let mut telegrams = 0_usize;
        let mut mistake = None;
        splitter.reset(payload.len());
        splitter.feed(payload, |telegram| {
            telegrams += 1;
            let read = match telegram {
                Some(telegram) => {
                    unwrap(telegram, messages).and_then(|()| read_messages(messages, code, fields))
                }
                None => Ok(()),
            };
            mistake = read.err().or(mistake);
        });
        match mistake {
            _ if telegrams == 0 && !payload.is_empty() => {
                Err(DecodeError::new("not SML: no whole telegram, from 1b1b1b1b 01010101 to 1b1b1b1b 1a"))
            }
            Some(what) if telegrams == 1 => Err(DecodeError::new(what)),
            Some(what) => {
                fields.reject(DecodeError::new(what));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

/// Reads messages one after the other. A list of values that is broken costs the rest of the telegram.
fn read_messages(messages: &[u8], code: &mut String, fields: &mut Fields<'_>) -> Result<(), &'static str> {
    let mut cursor = Cursor { rest: messages };
    let mut has_list = false;
    while let [first, ..] = cursor.rest {
        // The end of a message, and what fills a telegram.
        if *first == 0 {
            cursor.rest = cursor.rest.get(1..).unwrap_or_default();
            continue;
        }
        cursor.list_of(6)?;
        (0..3).try_for_each(|_| cursor.skip(0))?;
        cursor.list_of(2)?;
        if cursor.number()? == Number::Unsigned(GET_LIST_RESPONSE) {
            has_list = true;
            read_list(&mut cursor, code, fields)?;
        } else {
            cursor.skip(0)?;
        }
        cursor.skip(0)?;
        match cursor.rest {
            [0, rest @ ..] => cursor.rest = rest,
            _ => return Err(BROKEN),
        }
    }
    if !has_list {
        fields.end();
    }
    Ok(())
}

/// Reads the body of a `SML_GetList.Res`: client, server, name, time, values, signature, time.
fn read_list(
    cursor: &mut Cursor<'_>,
    code: &mut String,
    fields: &mut Fields<'_>,
) -> Result<(), &'static str> {
    cursor.list_of(7)?;
    (0..4).try_for_each(|_| cursor.skip(0))?;
    let Head::List(values) = cursor.head()? else { return Err(BROKEN) };
    for _ in 0..values {
        read_entry(cursor, code, fields)?;
    }
    (0..2).try_for_each(|_| cursor.skip(0))?;
    fields.end();
    Ok(())
}

/// Reads a value: code, status, time, unit, scaler, value, signature.
fn read_entry(
    cursor: &mut Cursor<'_>,
    code: &mut String,
    fields: &mut Fields<'_>,
) -> Result<(), &'static str> {
    cursor.list_of(7)?;
    let Head::Bytes(name) = cursor.head()? else { return Err(BROKEN) };
    write_code(name, code);
    (0..2).try_for_each(|_| cursor.skip(0))?;
    let unit = cursor.number()?;
    let scaler = cursor.number()?;
    let value = cursor.number()?;
    cursor.skip(0)?;
    let value = match value {
        Number::None => return Ok(()),
        Number::Boolean(answer) => Scalar::Boolean(answer),
        number => Scalar::Number(scaled(number.value(), scaler)),
    };
    let want = fields.want(code);
    fields.put_measured(want, code, value, unit_of(unit));
    Ok(())
}

/// `1-0:1.8.0`; another value than the present one has its number behind it, `*1`.
fn write_code(name: &[u8], code: &mut String) {
    const PRESENT: u8 = 255;
    code.clear();
    // Writing to a string cannot fail.
    let _ = match name {
        [a, b, c, d, e, PRESENT] => write!(code, "{a}-{b}:{c}.{d}.{e}"),
        [a, b, c, d, e, f] => write!(code, "{a}-{b}:{c}.{d}.{e}*{f}"),
        other => other.iter().try_for_each(|byte| write!(code, "{byte:02x}")),
    };
}

/// A value times ten to the power of its scaler; rounded once as far as powers of ten are exact, to 10^22.
fn scaled(value: f64, scaler: Number) -> f64 {
    let scaler = match scaler {
        Number::Signed(scaler) => i32::try_from(scaler).unwrap_or(i32::MAX),
        Number::Unsigned(scaler) => i32::try_from(scaler).unwrap_or(i32::MAX),
        Number::Boolean(_) | Number::None => 0,
    };
    let power = 10_f64.powi(scaler.saturating_abs());
    if scaler < 0 { value / power } else { value * power }
}

/// The sign of a unit (IEC 62056-62, table 4); empty: another one, or none.
fn unit_of(code: Number) -> &'static str {
    let Number::Unsigned(code) = code else { return "" };
    match code {
        4 => "d",
        5 => "h",
        6 => "min",
        7 => "s",
        8 => "°",
        9 => "°C",
        11 => "m",
        12 => "m/s",
        13 | 14 => "m3",
        15 | 16 => "m3/h",
        19 => "l",
        20 => "kg",
        23 => "Pa",
        24 => "bar",
        25 => "J",
        27 => "W",
        28 => "VA",
        29 => "var",
        30 => "Wh",
        31 => "VAh",
        32 => "varh",
        33 => "A",
        34 => "C",
        35 => "V",
        38 => "Ω",
        44 => "Hz",
        52 => "K",
        56 => "%",
        _ => "",
    }
}

const BROKEN: &str = "not SML: a message is broken, or of another kind than the standard has";

/// The beginning of an element, or all of it if it is no list.
#[derive(Clone, Copy, Debug)]
enum Head<'a> {
    /// So many elements follow.
    List(usize),
    /// A text, or nothing.
    Bytes(&'a [u8]),
    Number(Number),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    /// A text, a list, or nothing.
    None,
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
}

impl Number {
    /// Above 2^53 the nearest float.
    #[expect(clippy::cast_precision_loss, reason = "documented")]
    fn value(self) -> f64 {
        match self {
            Self::None => f64::NAN,
            Self::Boolean(answer) => f64::from(u8::from(answer)),
            Self::Signed(number) => number as f64,
            Self::Unsigned(number) => number as f64,
        }
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads the type and the length of an element, and all of it if it is no list.
    fn head(&mut self) -> Result<Head<'a>, &'static str> {
        const MORE: u8 = 0x80;
        let mut length = 0_usize;
        let mut kind = None;
        let mut heads = 0_usize;
        loop {
            let [head, rest @ ..] = self.rest else { return Err("not SML: it ends in a message") };
            self.rest = rest;
            heads += 1;
            kind = kind.or(Some(*head >> 4 & 7));
            length = length.checked_mul(16).ok_or(BROKEN)? | usize::from(*head & 0xf);
            if *head & MORE == 0 {
                break;
            }
        }
        let kind = kind.unwrap_or_default();
        if kind == 7 {
            return Ok(Head::List(length));
        }
        let length = length.checked_sub(heads).ok_or(BROKEN)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or("not SML: it ends in a message")?;
        self.rest = rest;
        let unsigned = || {
            let fits = (1..=8).contains(&length);
            fits.then(|| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte)))
        };
        match kind {
            0 => Ok(Head::Bytes(bytes)),
            4 => Ok(Head::Number(Number::Boolean(bytes.iter().any(|byte| *byte != 0)))),
            5 => {
                // The sign is that of the first byte.
                let unused = 64 - 8 * u32::try_from(length).unwrap_or_default().min(8);
                let shifted = unsigned().ok_or(BROKEN)? << unused;
                Ok(Head::Number(Number::Signed(shifted.cast_signed() >> unused)))
            }
            6 => unsigned().map(|number| Head::Number(Number::Unsigned(number))).ok_or(BROKEN),
            _ => Err(BROKEN),
        }
    }

    /// Reads the head of a list of so many elements.
    fn list_of(&mut self, elements: usize) -> Result<(), &'static str> {
        match self.head()? {
            Head::List(found) if found == elements => Ok(()),
            _ => Err(BROKEN),
        }
    }

    /// Reads an element, of which only a number counts.
    fn number(&mut self) -> Result<Number, &'static str> {
        match self.head()? {
            Head::Number(number) => Ok(number),
            Head::Bytes(_) => Ok(Number::None),
            Head::List(elements) => {
                (0..elements).try_for_each(|_| self.skip(1))?;
                Ok(Number::None)
            }
        }
    }

    fn skip(&mut self, depth: usize) -> Result<(), &'static str> {
        match self.head()? {
            Head::List(_) if depth == DEPTH_MAX => Err(BROKEN),
            Head::List(elements) => (0..elements).try_for_each(|_| self.skip(depth + 1)),
            Head::Bytes(_) | Head::Number(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
