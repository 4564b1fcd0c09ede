//! Doors for `tests/fuzz`: what devices say, without a device.

use crate::line_splitter::{LINE_FEED, LineSplitter};

/// Splits a text that comes in pieces as long as the first byte says. Returns its lines; those that are too long are left out.
pub fn split_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Some((length, text)) = bytes.split_first() else { return Vec::new() };
    let (mut splitter, mut lines) = (LineSplitter::new(LINE_FEED, 200), Vec::new());
    let mut keep = |line: Option<&[u8]>| lines.extend(line.map(<[u8]>::to_vec));
    for piece in text.chunks(usize::from(*length).max(1)) {
        splitter.feed(piece, &mut keep);
    }
    splitter.finish(keep);
    lines
}

/// Reads what the driver of a thermometer says.
pub fn read_thermometer(text: &str) {
    if let Ok(degrees) = crate::w1::degrees(text) {
        assert!(degrees.is_finite());
    }
}

/// Asks a Modbus unit that answers with these bytes, over TCP and over a serial line.
#[cfg(feature = "modbus")]
pub async fn ask_unit(answer: &[u8]) {
    crate::modbus::fuzzing::ask(answer).await;
}

/// Measures with each chip on a bus that answers with these bytes.
#[cfg(feature = "i2c")]
pub fn measure(answer: &[u8]) {
    crate::i2c::fuzzing::measure(answer);
}
