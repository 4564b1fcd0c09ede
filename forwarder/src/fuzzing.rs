//! Doors for `tests/fuzz`: what the disk holds, without a store. What has a checksum gets the one that it should have.

use crate::{progress, record, segment_log};

/// Reads a batch of messages, from behind its checksum on.
pub fn read_batch(bytes: &[u8]) {
    let sealed = [&crc32fast::hash(bytes).to_le_bytes()[..], bytes].concat();
    for record in record::decode(sealed.into()).into_iter().flatten() {
        let _ = format!("{record:?}");
    }
}

/// Reads the note of a segment and that of what is acknowledged, each without its last line.
pub fn read_note(text: &str) {
    let sealed = format!("{text}end {:08x}\n", crc32fast::hash(text.as_bytes()));
    segment_log::read_note(sealed.as_bytes());
    let _ = progress::read(sealed.as_bytes());
}
