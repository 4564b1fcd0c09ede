//! A payload of one value: `21.5`, `-3e2`, `true`, `OFF`.

use super::{Format, FormatKind, bare};
use crate::fields::{DecodeError, Fields, Scalar};

pub(super) const KIND: FormatKind =
    FormatKind { name: "number", read: |_, _| Some(Box::new(Number)), sample: "format = \"number\"\n" };

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
    let text = bare(payload).trim_ascii_start();
    // Some senders quote a text, as JSON does.
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    let want = fields.want(PATH);
    fields.put(want, PATH, Scalar::Text(&String::from_utf8_lossy(text)));
    fields.end();
    Ok(())
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
            ("15\0", 15.0),
            ("\u{feff}16", 16.0),
            ("\"17.5\"", 17.5),
        ] {
            let seen = decoded("format = \"number\"", "t", payload.as_bytes());
            assert_eq!(seen.readings, [("t".to_owned(), None, value)], "{payload}");
            assert_eq!(seen.invalid, [""; 0]);
        }
    }

    #[test]
    fn anything_else_is_invalid_once() {
        for (payload, why) in [
            ("21,5", "`21,5` is not a number; write decimal = \",\""),
            ("12 V", "`12 V` is not a number; write units = \"strip\""),
            ("0x10", "is not a number"),
            ("NaN", "infinite or not a number"),
            ("-inf", "infinite or not"),
            ("1e999", "infinite or not"),
            ("{}", "is not a number"),
            ("\u{fffd}", "is not a number"),
        ] {
            let seen = decoded("format = \"number\"", "t", payload.as_bytes());
            assert_eq!((seen.readings.len(), seen.invalid.len()), (0, 1), "{payload}");
            assert!(seen.invalid[0].contains(why), "{:?}", seen.invalid);
        }
    }

    #[test]
    fn words_units_and_commas_are_read_as_asked() {
        let config = "format = \"number\"\ndecimal = \",\"\nunits = \"strip\"\nwords = { open = 1, closed = 0 }\nskip = [\"unknown\"]";
        let read = |payload: &str| decoded(config, "t", payload.as_bytes());
        for (payload, value) in
            [("19,5", 19.5), ("20,6 ℃", 20.6), ("45%", 45.0), ("Open", 1.0), ("closed", 0.0)]
        {
            assert_eq!(read(payload).readings, [("t".to_owned(), None, value)], "{payload}");
        }
        for payload in ["unknown", "", " \0"] {
            let seen = read(payload);
            assert_eq!((seen.empty, seen.invalid.len()), (1, 0), "{payload}");
        }
        assert!(
            read("offline").invalid[0].contains("`offline` is not a number; give it a number in `words`")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_reading_or_invalid_or_empty(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut decoder = decoder("format = \"number\"");
            let seen = crate::decode::tests::feed(&mut decoder, "t", &payload);
            prop_assert_eq!(seen.readings.len() + seen.invalid.len() + seen.empty as usize, 1);
            prop_assert!(seen.readings.iter().all(|reading| reading.2.is_finite()));
        }
    }
}
