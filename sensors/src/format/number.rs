//! A payload of one value: `21.5`, `-3e2`, `true`, `OFF`.

use super::decimal::value_of;
use super::{Format, FormatKind};
use crate::fields::{DecodeError, Fields, Scalar};
use crate::topic::shortened;

pub(super) const KIND: FormatKind =
    FormatKind { name: "number", read: |_| Some(Box::new(Number)), sample: "format = \"number\"\n" };

#[derive(Clone, Debug)]
struct Number;

impl Format for Number {
    fn is_named(&self) -> bool {
        false
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        decode(payload, fields)
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

/// The path of the one value. Empty, but at a real address: comparing texts at a dangling one costs 60 ns where the
/// processor has AVX-512, whose masked loads then fault in silence.
const PATH: &str = " ".split_at(0).0;

fn decode(payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
    let trimmed = payload.trim_ascii();
    if trimmed.is_empty() {
        return Err(DecodeError::EMPTY);
    }
    let Some(value) = value_of(trimmed) else {
        let expected = "expected one such as 21.5, or true, false, on or off";
        return Err(DecodeError::new(format!("`{}` is not a number; {expected}", shown(trimmed))));
    };
    if !value.is_finite() {
        return Err(DecodeError::new(format!("`{}` is not a finite number", shown(trimmed))));
    }
    let want = fields.want(PATH);
    fields.put(want, PATH, Scalar::Number(value));
    fields.end();
    Ok(())
}

fn shown(text: &[u8]) -> String {
    shortened(&String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::{decoded, decoder};
    use proptest::prelude::*;

    #[test]
    fn numbers_and_switches_are_read() {
        for (payload, value) in [
            ("21.5", 21.5),
            (" -3e2\r\n", -300.0),
            ("+7", 7.0),
            ("true", 1.0),
            ("False", 0.0),
            ("ON", 1.0),
            ("off", 0.0),
            (".5", 0.5),
        ] {
            let seen = decoded("format = \"number\"", "t", payload.as_bytes());
            assert_eq!(seen.readings, [("t".to_owned(), None, value)], "{payload}");
            assert_eq!(seen.invalid, [""; 0]);
        }
    }

    #[test]
    fn anything_else_is_invalid_once() {
        for (payload, why) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("21,5", "`21,5` is not a number"),
            ("12 V", "is not a number"),
            ("0x10", "is not a number"),
            ("NaN", "`NaN` is not a finite"),
            ("-inf", "not a finite"),
            ("1e999", "not a finite"),
            ("{}", "is not a number"),
            ("\u{fffd}", "is not a number"),
        ] {
            let seen = decoded("format = \"number\"", "t", payload.as_bytes());
            assert_eq!((seen.readings.len(), seen.invalid.len()), (0, 1), "{payload}");
            assert!(seen.invalid[0].contains(why), "{:?}", seen.invalid);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_reading_or_one_invalid(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut decoder = decoder("format = \"number\"");
            let seen = crate::decode::tests::feed(&mut decoder, "t", &payload);
            prop_assert_eq!(seen.readings.len() + seen.invalid.len(), 1);
            prop_assert!(seen.readings.iter().all(|reading| reading.2.is_finite()));
        }
    }
}
