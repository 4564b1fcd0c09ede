//! Telegrams of SML: what divides them in a stream of bytes, and their checksum.

/// Four of these escape what is no data; as data they are doubled.
const ESCAPE: u8 = 0x1b;

/// How many escape.
const ESCAPES: usize = 4;

/// The beginning of a telegram.
const START: &[u8] = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01";

/// Behind the escape at a telegram's end: this, the count of filling bytes, and a CRC of two bytes.
const END: u8 = 0x1a;

/// What follows on [`END`] (bytes).
const END_BYTES: usize = 3;

/// Cuts a stream of bytes into telegrams, each from its start to its CRC. It holds one, of at most `bytes_max`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SmlSplitter {
    bytes_max: usize,
    /// The telegram whose end has not come; empty between two.
    telegram: Vec<u8>,
    /// The escapes that came last, in a row.
    escapes: usize,
    /// The bytes of the beginning that came last, behind escapes.
    ones: usize,
    /// The bytes that are still to come, once the end has begun.
    to_come: Option<usize>,
}

impl SmlSplitter {
    /// A splitter between two telegrams.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Forgets a telegram that has begun.
    pub(crate) fn reset(&mut self, bytes_max: usize) {
        self.telegram.clear();
        (self.bytes_max, self.escapes, self.ones, self.to_come) = (bytes_max, 0, 0, None);
    }

    /// Takes the next bytes and hands over each telegram that ends in them; `None`: one that was too long. What lies between
    /// telegrams is passed over.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut on_telegram: impl FnMut(Option<&[u8]>)) {
        for byte in bytes {
            self.take(*byte, &mut on_telegram);
        }
    }

    fn take(&mut self, byte: u8, on_telegram: &mut impl FnMut(Option<&[u8]>)) {
        let is_open = !self.telegram.is_empty();
        if is_open && self.telegram.len() >= self.bytes_max {
            self.reset(self.bytes_max);
            return on_telegram(None);
        }
        if is_open {
            self.telegram.push(byte);
        }
        if let Some(left) = self.to_come {
            self.to_come = Some(left - 1).filter(|left| *left > 0);
            if self.to_come.is_none() {
                on_telegram(Some(&self.telegram));
                self.reset(self.bytes_max);
            }
            return;
        }
        // Data may end with escapes of its own, so that the whole row tells whether the last four of it stand alone.
        let is_escaped = self.escapes % (2 * ESCAPES) >= ESCAPES;
        match byte {
            ESCAPE => {
                self.escapes = if self.ones > 0 { 1 } else { self.escapes + 1 };
                self.ones = 0;
            }
            1 if is_escaped && self.ones + 1 == START.len() - ESCAPES => {
                self.reset(self.bytes_max);
                self.telegram.extend_from_slice(START);
            }
            1 if is_escaped => self.ones += 1,
            END if is_escaped && is_open && self.ones == 0 => self.to_come = Some(END_BYTES),
            _ => (self.escapes, self.ones) = (0, 0),
        }
    }
}

/// Takes the messages out of a telegram.
///
/// # Errors
/// Its CRC is wrong.
pub(crate) fn unwrap(telegram: &[u8], messages: &mut Vec<u8>) -> Result<(), &'static str> {
    messages.clear();
    let Some((checked, said)) = telegram.split_last_chunk::<2>() else {
        return Err("not SML: it ends too early");
    };
    if crc16(checked) != u16::from_le_bytes(*said) {
        return Err("not SML: the checksum is wrong: the telegram was changed on its way");
    }
    let filled = usize::from(checked.last().copied().unwrap_or_default());
    let inside = checked.len().saturating_sub(ESCAPES + 2);
    let mut rest = checked.get(START.len()..inside).unwrap_or_default();
    while let [first, after @ ..] = rest {
        messages.push(*first);
        rest = after;
        if messages.ends_with(&[ESCAPE; ESCAPES]) {
            rest = rest.strip_prefix(&[ESCAPE; ESCAPES]).unwrap_or(rest);
        }
    }
    messages.truncate(messages.len().saturating_sub(filled));
    Ok(())
}

/// CRC-16/X-25: polynomial 0x8408, reflected.
fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x8408;
    let crc = bytes.iter().fold(u16::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 },
        )
    });
    !crc
}

#[cfg(test)]
pub(crate) mod tests {
    /// Of a DZG meter: energy taken and given.
    const ENERGY: &str = "1b1b1b1b0101010176051c414c02620062007263010176010102310b0a01445a47000282c0b07262016505471c2a62026\
    3f9380076051d414c02620062007263070177010b0a01445a47000282c0b0070100620affff7262016505471c2a74770701006032010101726201620\
    062005200\
    04445a470177070100600100ff017262016200620052000b0a01445a47000282c0b00177070100010800ff641c01047262016200621e520363344f01\
    77070100020800ff017262016200621e520362000101016393770076051e414c026200620072630201710163e6ba00000000001b1b1b1b1a04dad0";

    pub(crate) fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// A telegram of two values, 13,391,000 and 0 Wh.
    pub(crate) fn telegram() -> Vec<u8> {
        bytes(ENERGY)
    }
}
