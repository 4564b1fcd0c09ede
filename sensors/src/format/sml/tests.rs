//! Telegrams of real meters, and their pieces.

use crate::decode::tests::{Seen, decoded, decoder, feed};
use crate::sml_telegram::SmlSplitter;
use crate::sml_telegram::tests::{bytes, telegram};
use proptest::prelude::*;

const SML: &str = "format = \"sml\"\n";

/// Of an ISKRA meter: 64-bit counters, powers of three phases, texts and a key.
const PHASES: &str = "1b1b1b1b0101010176051ab73ef062006200726301017601010508e7bfa409080535342d5101770101636c520076051ab73ef1\
    6200620072630701770109080535342d510177070100620affff72620165177b1dd57a77078181c78203ff010101010449534b0177070100000009ff\
    0101010109080535342d5101770177070100010800ff650000018201621e52ff59000000000b190a860177070100010801ff0101621e52ff59000000\
    000b190a860177070100010802ff0101621e52ff5900000000000000000177070100100700ff0101621b520055000000820177070100240700ff0101\
    621b520055000000710177070100380700ff0101621b5200550000000501770701004c0700ff0101621b5200550000000b0177078181c78205ff0101\
    01018302671a492438f74afd2339876b2d68e1ae8b600b5922b18afcabd892c7dab5811ece539da803633c59b8fe19bee00c8bbb01010163a0470076\
    051ab73ef2620062007263020171016350b90000001b1b1b1b1a02e01c";

fn values(seen: &Seen) -> Vec<(&str, f64)> {
    seen.readings.iter().map(|(series, _, value)| (series.as_str(), *value)).collect()
}

#[test]
fn telegrams_of_real_meters_are_read_with_scalers() {
    let seen = decoded(SML, "t", &telegram());
    assert_eq!(values(&seen), [("t/1-0:1.8.0", 13_391_000.0), ("t/1-0:2.8.0", 0.0)], "{seen:?}");
    let seen = decoded(SML, "t", &bytes(PHASES));
    let expected = [
        ("t/1-0:1.8.0", 18_619_047.0),
        ("t/1-0:1.8.1", 18_619_047.0),
        ("t/1-0:1.8.2", 0.0),
        ("t/1-0:16.7.0", 130.0),
        ("t/1-0:36.7.0", 113.0),
        ("t/1-0:56.7.0", 5.0),
        ("t/1-0:76.7.0", 11.0),
    ];
    assert_eq!((values(&seen).as_slice(), seen.invalid.len()), (&expected[..], 0), "{seen:?}");
    let wanted = decoded(&format!("{SML}fields = [\"1-0:16.7.0\"]"), "t", &bytes(PHASES));
    assert_eq!(values(&wanted), [("t/1-0:16.7.0", 130.0)]);
}

#[test]
fn a_telegram_that_was_changed_costs_itself() {
    let mut changed = telegram();
    changed[140] ^= 1;
    let seen = decoded(SML, "t", &changed);
    assert!(seen.readings.is_empty() && seen.invalid[0].contains("the checksum is wrong"), "{seen:?}");
    let two = [&b"rubbish"[..], &changed, b"\x1b\x1b", &bytes(PHASES)].concat();
    let seen = decoded(SML, "t", &two);
    assert_eq!((seen.readings.len(), seen.invalid.len()), (7, 1), "{seen:?}");
    let cut = &telegram()[..200];
    assert!(decoded(SML, "t", cut).invalid[0].contains("no whole telegram"));
    assert!(decoded(SML, "t", b"21.5").invalid[0].contains("no whole telegram"));
    assert_eq!(decoded(SML, "t", b"").empty, 1);
}

#[test]
fn messages_without_their_telegram_are_read() {
    let telegram = telegram();
    let seen = decoded(SML, "t", &telegram[8..telegram.len() - 8]);
    assert_eq!((seen.readings.len(), seen.invalid.len()), (2, 0), "{seen:?}");
    let cut = decoded(SML, "t", &telegram[8..150]);
    assert_eq!((cut.readings.len(), cut.invalid.len()), (0, 1), "{cut:?}");
}

#[test]
fn a_stream_is_cut_into_telegrams_wherever_it_begins() {
    let escaped = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01a\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1a\0\0\0\x1b\x1b\x1b\x1b\x1b\x1b\x1a\0xy";
    let stream = [&telegram()[100..], &bytes(PHASES), b"noise", escaped, &telegram()].concat();
    for step in [1, 3, 7, stream.len()] {
        let mut splitter = SmlSplitter::new(1_000);
        let mut found = Vec::new();
        for piece in stream.chunks(step) {
            splitter.feed(piece, |telegram| found.push(telegram.map(<[u8]>::to_vec)));
        }
        assert_eq!(found, [Some(bytes(PHASES)), Some(escaped.to_vec()), Some(telegram())], "{step}");
    }
    let mut splitter = SmlSplitter::new(100);
    let mut found = Vec::new();
    splitter.feed(&stream, |telegram| found.push(telegram.map(<[u8]>::len)));
    assert_eq!(found, [None, Some(escaped.len()), None], "too long, good, too long");
}

proptest! {
    #[test]
    fn any_bytes_do_no_harm(at in 0..370_usize, with: Vec<u8>, bare: bool) {
        let mut payload = bytes(PHASES);
        let from = if bare { 8 } else { 0 };
        payload.splice(at.min(payload.len())..(at + with.len()).min(payload.len()), with);
        let mut decoder = decoder(SML);
        let seen = feed(&mut decoder, "t", &payload[from.min(payload.len())..]);
        prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
    }
}
