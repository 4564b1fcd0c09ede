//! What devices say: a byte says which, then a text of lines, a thermometer's, a Modbus unit's or a chip's answers.
#![no_main]

use headwater_fuzz::{CheckedSink, context, decoding, run};
use headwater_sensors::{Decoder, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((what, bytes)) = data.split_first() else { return };
    match what % 5 {
        0 => {
            let mut decoder = Decoder::new(&decoding("format = \"nmea\"", &["gps"]), &context());
            let mut sink = CheckedSink::default();
            for line in fuzzing::split_lines(bytes) {
                decoder.on_payload("gps", &line, &mut sink);
            }
        }
        1 => fuzzing::read_thermometer(&String::from_utf8_lossy(bytes)),
        2 | 3 => run(fuzzing::ask_unit(bytes)),
        _ => fuzzing::measure(bytes),
    }
});
