//! What a broker sends on a connection, from its first answer on: a byte for the version, then packets.
#![no_main]

use headwater_mqtt::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((version, packets)) = data.split_first() else { return };
    let version = if version % 2 == 0 { Version::V4 } else { Version::V5 };
    headwater_mqtt::fuzzing::hear(version, packets);
});
