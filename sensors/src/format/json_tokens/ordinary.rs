//! The bytes that may stand in a string of JSON as they are, eight at a time.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH_BITS: u64 = ONES << 7;

/// How many bytes at the front of a text may stand in a string as they are: all but quotes, backslashes and controls.
#[inline(always)]
pub(super) fn ordinary_len(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk() {
        let others = others(u64::from_le_bytes(*word));
        if others != 0 {
            return text.len() - rest.len() + (others.trailing_zeros() / u8::BITS) as usize;
        }
        rest = after;
    }
    text.len() - rest.len() + ordinary_len_of_few(rest)
}

fn ordinary_len_of_few(text: &[u8]) -> usize {
    let is_other = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    text.iter().position(is_other).unwrap_or(text.len())
}

/// The lowest bit that is set lies in the first byte that is not ordinary; 0: there is none. Bytes behind it may be marked
/// wrongly, because subtraction borrows from them (Mycroft's test for a byte that is zero).
#[inline(always)]
fn others(word: u64) -> u64 {
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = zeros(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
    (controls | quotes | backslashes) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_in_every_place_is_told_from_its_neighbours() {
        for byte in 0..=u8::MAX {
            let expected = !matches!(byte, b'"' | b'\\' | 0..=0x1f);
            for around in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                for length in 1..=20 {
                    for at in 0..length {
                        let mut text = vec![around; length];
                        text[at] = byte;
                        let length = if expected { length } else { at };
                        assert_eq!(ordinary_len(&text), length, "{text:x?}");
                    }
                }
            }
            for before in 0..=u8::MAX {
                let both = [b'a', before, byte, byte, b'"', 0, b'\\', before];
                assert_eq!(ordinary_len(&both), ordinary_len_of_few(&both), "{both:x?}");
            }
        }
    }
}
