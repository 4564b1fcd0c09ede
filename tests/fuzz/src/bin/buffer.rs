//! What the buffer holds: a byte says what, then a stored event, a batch of messages or a note.
#![no_main]

use headwater_forwarder::fuzzing;
use headwater_fuzz::begin_with;
use headwater_wire::{Encoding, Precision, Unplaced, names, put_event, read, read_event};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: headwater_fuzz::state::events(|number, event| {
        let mut input = vec![0];
        put_event(&mut input, event);
        begin_with(&format!("event-{number}"), &input);
    }),
    |data: &[u8]| {
        let Some((what, bytes)) = data.split_first() else { return };
        match what % 3 {
            0 => event(bytes),
            1 => fuzzing::read_batch(bytes),
            _ => fuzzing::read_note(&String::from_utf8_lossy(bytes)),
        }
    }
);

/// Whatever can be read can be sent, in every format, and written again.
fn event(body: &[u8]) {
    let _ = names(body);
    let _ = headwater_wire::mergeable(body);
    let Ok(event) = read_event(body) else { return };
    for format in [Encoding::Json, Encoding::Cbor, Encoding::Csv, Encoding::Influx(Precision::Milliseconds)] {
        let mut bytes = Vec::new();
        let written = format.encode(&event, &Unplaced, &mut bytes);
        if written.is_ok() && matches!(format, Encoding::Json | Encoding::Cbor) {
            assert!(read(&bytes).is_ok(), "{event:?}");
        }
    }
    let mut again = Vec::new();
    put_event(&mut again, &event);
    assert!(read_event(&again).is_ok(), "{event:?}");
}
