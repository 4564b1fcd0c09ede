//! What a broker sends on a connection, from its first answer on: a byte for the version and the carrier, then packets.
#![no_main]

use headwater_fuzz::run;
use headwater_mqtt::{Version, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else { return };
    let version = if how % 2 == 0 { Version::V4 } else { Version::V5 };
    match how & 2 {
        0 => fuzzing::hear(version, bytes),
        _ => fuzzing::hear(version, &run(fuzzing::unframe(bytes))),
    }
});
