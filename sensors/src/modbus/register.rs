//! Registers, and the values in their words.

/// Where a unit keeps a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RegisterTable {
    Coil,
    Discrete,
    Holding,
    Input,
}

impl RegisterTable {
    /// Whether it holds bits, and not words.
    pub(super) fn has_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Holding => "holding",
            Self::Input => "input",
        }
    }
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    Bit,
    I16,
    U16,
    I32,
    U32,
    F32,
    I64,
    U64,
    F64,
}

impl ValueType {
    /// Its words or its bit.
    pub(super) fn length(self) -> u16 {
        match self {
            Self::Bit | Self::I16 | Self::U16 => 1,
            Self::I32 | Self::U32 | Self::F32 => 2,
            Self::I64 | Self::U64 | Self::F64 => 4,
        }
    }
}

/// The order of the bytes of two words; a value is `abcd` with its highest byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Abcd,
    Badc,
    Cdab,
    Dcba,
}

/// A value of a unit, and the series that it is.
#[derive(Clone, Debug)]
pub(super) struct Register {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) unit_of_measure: Option<String>,
    pub(super) place: RegisterPlace,
    pub(super) encoding: Encoding,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RegisterPlace {
    /// The unit on the bus.
    pub(super) unit: u8,
    pub(super) table: RegisterTable,
    /// The first one is 0.
    pub(super) address: u16,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Encoding {
    pub(super) kind: ValueType,
    pub(super) order: ByteOrder,
    pub(super) scale: f64,
    pub(super) offset: f64,
}

impl Encoding {
    /// The value in its words, or in its bit as 0 or 1.
    pub(super) fn value(&self, words: &[u16]) -> f64 {
        self.raw(words) * self.scale + self.offset
    }

    fn raw(&self, words: &[u16]) -> f64 {
        let word = |word: &u16| {
            let is_swapped = matches!(self.order, ByteOrder::Badc | ByteOrder::Dcba);
            u64::from(if is_swapped { word.swap_bytes() } else { *word })
        };
        let join = |joined: u64, word: u64| joined << 16 | word;
        let joined = match self.order {
            ByteOrder::Abcd | ByteOrder::Badc => words.iter().map(word).fold(0, join),
            ByteOrder::Cdab | ByteOrder::Dcba => words.iter().rev().map(word).fold(0, join),
        };
        let [.., c, d, e, f] = joined.to_be_bytes();
        match self.kind {
            ValueType::Bit | ValueType::U16 => f64::from(u16::from_be_bytes([e, f])),
            ValueType::I16 => f64::from(i16::from_be_bytes([e, f])),
            ValueType::U32 => f64::from(u32::from_be_bytes([c, d, e, f])),
            ValueType::I32 => f64::from(i32::from_be_bytes([c, d, e, f])),
            ValueType::F32 => f64::from(f32::from_be_bytes([c, d, e, f])),
            ValueType::F64 => f64::from_bits(joined),
            ValueType::U64 => rounded(joined),
            ValueType::I64 => rounded_signed(i64::from_be_bytes(joined.to_be_bytes())),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is as good without its last digits")]
fn rounded(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is as good without its last digits")]
fn rounded_signed(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(kind: ValueType, order: ByteOrder) -> Encoding {
        Encoding { kind, order, scale: 1.0, offset: 0.0 }
    }

    /// 1234.5 is 0x449A5000 (IEEE 754); its bytes are `44 9A 50 00`.
    #[test]
    fn the_order_says_which_byte_is_the_highest() {
        for (order, words) in [
            (ByteOrder::Abcd, [0x449A, 0x5000]),
            (ByteOrder::Badc, [0x9A44, 0x0050]),
            (ByteOrder::Cdab, [0x5000, 0x449A]),
            (ByteOrder::Dcba, [0x0050, 0x9A44]),
        ] {
            assert_eq!(encoding(ValueType::F32, order).value(&words), 1_234.5, "{order:?}");
        }
        let words = [0x0102, 0x0304, 0x0506, 0x0708];
        for (order, value) in [
            (ByteOrder::Abcd, 0x0102_0304_0506_0708_u64),
            (ByteOrder::Badc, 0x0201_0403_0605_0807),
            (ByteOrder::Cdab, 0x0708_0506_0304_0102),
            (ByteOrder::Dcba, 0x0807_0605_0403_0201),
        ] {
            assert_eq!(encoding(ValueType::U64, order).value(&words), value as f64, "{order:?}");
        }
    }

    #[test]
    fn every_type_has_its_sign_and_its_width() {
        let value = |kind, words: &[u16]| encoding(kind, ByteOrder::Abcd).value(words);
        assert_eq!(value(ValueType::Bit, &[1]), 1.0);
        assert_eq!((value(ValueType::U16, &[0xFFFE]), value(ValueType::I16, &[0xFFFE])), (65_534.0, -2.0));
        let minus_two = [0xFFFF, 0xFFFE];
        assert_eq!(value(ValueType::I32, &minus_two), -2.0);
        assert_eq!(value(ValueType::U32, &minus_two), 4_294_967_294.0);
        assert_eq!(value(ValueType::I64, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE]), -2.0);
        assert_eq!(value(ValueType::F64, &[0x4093, 0x4A00, 0, 0]), 1_234.5);
        let scaled = Encoding { scale: 0.1, offset: -40.0, ..encoding(ValueType::U16, ByteOrder::Abcd) };
        assert!((scaled.value(&[615]) - 21.5).abs() < 1e-9);
    }
}
