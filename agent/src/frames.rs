//! Frames: bytes with their length and checksum, one after another in a file that grows at its end.
//!
//! ```text
//! frame  length u32  the same, all bits turned  crc32 u32  bytes        numbers are little-endian
//! ```
//! A frame that is cut off at the end of a file was being written when the program or the machine ended.

/// Length, again with all bits turned, and checksum in front of a frame (bytes).
pub(crate) const HEADER_BYTES: usize = 12;

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// A frame of these bytes.
pub(crate) fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; HEADER_BYTES];
    frame.extend_from_slice(bytes);
    close(&mut frame);
    frame
}

/// Puts length and checksum into the room in front of a frame's bytes.
pub(crate) fn close(frame: &mut [u8]) {
    if let Some((head, bytes)) = frame.split_at_mut_checked(HEADER_BYTES) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let fields = [length, !length, crc32fast::hash(bytes)];
        for (to, from) in head.iter_mut().zip(fields.into_iter().flat_map(u32::to_le_bytes)) {
            *to = from;
        }
    }
}

/// Takes a frame off the bytes, and answers what is in it; `None`: it is cut off.
///
/// # Errors
/// [`Damaged`]: its length or its bytes are not what was written.
pub(crate) fn next<'a>(from: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Damaged> {
    let Some((header, rest)) = from.split_first_chunk() else { return Ok(None) };
    let Some((own, rest)) = rest.split_at_checked(length(header)?) else { return Ok(None) };
    check(header, own)?;
    *from = rest;
    Ok(Some(own))
}

/// The bytes of a frame with this header.
///
/// # Errors
/// [`Damaged`]: it is none.
pub(crate) fn length(header: &[u8; HEADER_BYTES]) -> Result<usize, Damaged> {
    let (length, turned) = (field(header, 0), field(header, 4));
    if length == !turned { Ok(length as usize) } else { Err(Damaged) }
}

/// Whether these are the bytes of a frame with this header.
///
/// # Errors
/// [`Damaged`]: they are not.
pub(crate) fn check(header: &[u8; HEADER_BYTES], bytes: &[u8]) -> Result<(), Damaged> {
    if field(header, 8) == crc32fast::hash(bytes) { Ok(()) } else { Err(Damaged) }
}

fn field(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    header.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes)
}

/// Passes over a frame whose bytes are damaged; `false`: its length cannot be read either.
pub(crate) fn skip(from: &mut &[u8]) -> bool {
    let Some((header, rest)) = from.split_first_chunk() else { return false };
    let behind = length(header).ok().and_then(|length| rest.get(length..));
    behind.inspect(|behind| *from = behind).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_or_cut_off_or_damaged() {
        let whole = frame(b"some bytes");
        assert_eq!(next(&mut whole.as_slice()), Ok(Some(&b"some bytes"[..])));
        for cut in 0..whole.len() {
            assert_eq!(next(&mut &whole[..cut]), Ok(None), "{cut}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x20;
            assert_eq!(next(&mut flipped.as_slice()), Err(Damaged), "{at}");
        }
    }
}
