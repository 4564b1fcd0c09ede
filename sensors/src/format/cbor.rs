//! CBOR (RFC 8949): maps and lists of numbers, as JSON has them.
//!
//! Several items one after the other (RFC 8742) are as many records. Names and lists are those of every tree, `tree.rs`;
//! a name may be a whole number. A payload that is a single value is a record with the field `value`.

use super::cbor_tokens::CborTokens;
use super::tree::document;
use super::{Format, FormatKind};
use crate::fields::{DecodeError, Fields};

pub(super) const KIND: FormatKind =
    FormatKind { name: "cbor", read: |_, _| Some(Box::new(Cbor)), sample: "format = \"cbor\"\n" };

/// A single value after another item: a buffer with its unused end, more likely than a sequence.
const UNNAMED: &str = "not CBOR: a value without a name after the first item";

#[derive(Clone, Debug)]
struct Cbor;

impl Format for Cbor {
    fn has_lists(&self) -> bool {
        true
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        if payload.is_empty() {
            fields.end();
            return Ok(());
        }
        if matches!(payload, [b'{', b'"' | b'\r' | b'\n' | b' ', ..]) {
            return Err(DecodeError::new("not CBOR: it begins as JSON does; check `format`"));
        }
        let records = fields.records();
        let mut tokens = CborTokens::new(payload);
        let is_named = document(&mut tokens, records.as_ref(), None, fields)?;
        if !is_named {
            return Ok(tokens.end()?);
        }
        while !tokens.is_at_end() {
            match document(&mut tokens, records.as_ref(), Some(UNNAMED), fields) {
                Ok(_) => {}
                Err(error) if error.what == UNNAMED => return Err(error),
                // Where the next item begins is not known.
                Err(error) => {
                    fields.reject(error);
                    break;
                }
            }
        }
        Ok(())
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::{Seen, decoded};
    use proptest::prelude::*;

    const CBOR: &str = "format = \"cbor\"\n";

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex.chars().filter(|c| !c.is_whitespace()).collect();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn values(seen: &Seen) -> Vec<(&str, Option<i64>, f64)> {
        seen.readings.iter().map(|(series, time, value)| (series.as_str(), *time, *value)).collect()
    }

    #[test]
    fn what_others_write_is_read() {
        for (what, hex, expected) in [
            (
                "half, single and double",
                "a3 6161 f94d60 6162 fa41ac0000 6163 fb4035800000000000",
                vec![("t/a", 21.5), ("t/b", 21.5), ("t/c", 21.5)],
            ),
            (
                "subnormal and negative halves",
                "82 f90001 f9c400",
                vec![("t/0", 2_f64.powi(-24)), ("t/1", -4.0)],
            ),
            (
                "whole numbers",
                "85 00 17 1818 3903e7 1bffffffffffffffff",
                vec![("t/0", 0.0), ("t/1", 23.0), ("t/2", 24.0), ("t/3", -1000.0), ("t/4", u64::MAX as f64)],
            ),
            ("true, null, undefined, simple(16)", "a4 6161 f5 6162 f6 6163 f7 6164 f0", vec![("t/a", 1.0)]),
            (
                "indefinite lengths",
                "bf 7f 6161 6162 ff 9f 01 bf 6163 02 ff ff ff",
                vec![("t/ab/0", 1.0), ("t/ab/1/c", 2.0)],
            ),
            ("names that are numbers", "a2 01 05 20 06", vec![("t/1", 5.0), ("t/-1", 6.0)]),
            (
                "large numbers and fractions",
                "84 c249010000000000000000 c34100 c48221196ab3 c5822003",
                vec![("t/0", 18_446_744_073_709_551_616.0), ("t/1", -1.0), ("t/2", 273.15), ("t/3", 1.5)],
            ),
            ("self-described, and other tags", "d9d9f7 a1 6161 d81f d820 07", vec![("t/a", 7.0)]),
            ("a sequence", "a16161 01 a16161 02", vec![("t/a", 1.0), ("t/a", 2.0)]),
            ("a single value", "fb4035800000000000", vec![("t/value", 21.5)]),
            ("text that is a number, and bytes", "a2 6161 6431352e35 6162 4101", vec![("t/a", 15.5)]),
        ] {
            let seen = decoded(CBOR, "t", &bytes(hex));
            let read: Vec<_> = seen.readings.iter().map(|(name, _, value)| (name.as_str(), *value)).collect();
            assert_eq!((read, seen.invalid.len()), (expected, 0), "{what}: {seen:?}");
        }
    }

    #[test]
    fn times_and_records_are_those_of_every_tree() {
        let config = format!("{CBOR}time = \"t\"");
        for time in [
            "c1 1a6553f100",
            "c1 fb41d954fc40000000",
            "c0 74323032332d31312d31345432323a31333a32305a",
            "1b0000018bcfe56800",
        ] {
            let seen = decoded(&config, "t", &bytes(&format!("a2 6174 {time} 6161 01")));
            assert_eq!(values(&seen), [("t/a", Some(1_700_000_000_000), 1.0)], "{time}");
        }
        let seen = decoded(
            &format!("{CBOR}records = \"r\"\nseries = \"{{d}}/{{field}}\""),
            "t",
            &bytes("a2 6172 82 a1616101 a1616102 6164 6178"),
        );
        assert_eq!(values(&seen), [("x/a", None, 1.0), ("x/a", None, 2.0)]);
        let seen = decoded(&config, "t", &bytes("a2 6174 c11b7fffffffffffffff 6161 01"));
        assert!(seen.invalid[0].contains("not a time"), "{seen:?}");
    }

    #[test]
    fn the_likely_mistakes_are_invalid_once_and_say_why() {
        for (what, payload, why) in [
            ("JSON", b"{\"a\":1}".to_vec(), "begins as JSON does"),
            ("cut in a value", bytes("a2 6161 01 6162 fa41"), "it ends inside a value (byte 8)"),
            ("cut in a name", bytes("a1 65616263"), "it ends inside a value"),
            ("too many members", bytes("bb00000000ffffffff"), "more members than the payload has bytes"),
            ("not UTF-8", bytes("a1 61ff 01"), "not UTF-8"),
            ("a name that is a list", bytes("a1 80 01"), "neither a text nor a whole number"),
            ("a reserved head", bytes("a1 6161 1c"), "a head that CBOR does not have"),
            ("a break without a beginning", bytes("ff"), "a break where a value should be"),
            (
                "an unused end of the buffer",
                bytes("a1 6161 01 00000000"),
                "a value without a name after the first item",
            ),
            ("two bare values", bytes("01 02"), "expected nothing more"),
            ("deep nesting", vec![0x81; 100_000], "nested too deeply"),
            ("deep indefinite nesting", vec![0x9f; 100_000], "nested too deeply"),
            ("a long string", bytes("7a ffffffff 61"), "it ends inside a value"),
            ("tags without end", vec![0xc1; 100_000], "a time that is not a number"),
            ("other tags without end", vec![0xc6; 100_000], "it ends inside a value"),
        ] {
            let seen = decoded(CBOR, "t", &payload);
            assert_eq!((seen.readings.len(), seen.invalid.len()), (0, 1), "{what}: {seen:?}");
            assert!(seen.invalid[0].contains(why), "{what}: {:?}", seen.invalid);
        }
        let seen =
            decoded(&format!("{CBOR}fields = [\"a\", \"b\"]"), "t", &bytes("a2 6161 f97e00 6162 63 6f6666"));
        assert_eq!(
            (seen.invalid.as_slice(), values(&seen)),
            (&["`a` is infinite or not a number".to_owned()][..], vec![("t/b", None, 0.0)])
        );
        for empty in ["", "f6", "a0", "80", "a1 6178 f6"] {
            let seen = decoded(CBOR, "t", &bytes(empty));
            assert_eq!((seen.empty, seen.invalid.len()), (1, 0), "{empty}");
        }
    }

    /// Trees as both JSON and CBOR have them.
    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(serde_json::Value::from),
            (-1e9..1e9_f64).prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            "[a-z0-9.]{0,4}".prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::btree_map("[a-c]{1,2}", inner, 0..4).prop_map(serde_json::Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_tree_reads_the_same_as_in_json(tree in tree(), config in prop::sample::select(vec!["", "fields = [\"a\", \"b/a\"]\n", "records = \"a\"\n", "where = \"a > 0.0\"\n"])) {
            let tree = serde_json::json!({ "a": tree, "b": { "a": tree } });
            let json = decoded(config, "t", tree.to_string().as_bytes());
            let cbor = decoded(&format!("{CBOR}{config}"), "t", &serde_cbor::to_vec(&tree).unwrap());
            prop_assert_eq!(json.readings, cbor.readings);
            prop_assert_eq!(json.invalid, cbor.invalid);
            prop_assert_eq!((json.empty, json.filtered, json.refused), (cbor.empty, cbor.filtered, cbor.refused));
        }

        #[test]
        fn any_bytes_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(decoded(CBOR, "t", &payload).readings.iter().all(|(_, _, value)| value.is_finite()));
        }
    }
}
