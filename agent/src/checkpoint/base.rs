//! What names a checkpoint.

/// Names a checkpoint by what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The bytes of its body.
    pub(crate) length: u64,
    /// Their checksum.
    pub(crate) crc: u32,
}

impl Base {
    /// Of a checkpoint's body.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { length: body.len() as u64, crc: crc32fast::hash(body) }
    }
}
