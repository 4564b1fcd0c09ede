//! Registers gathered into questions: those of one table of a unit that lie side by side are asked for together.

use super::register::{Register, RegisterPlace};

/// The most bits in an answer (Modbus Application Protocol V1.1b3, 6.1 and 6.2).
const BITS_MAX: u16 = 2_000;

/// How registers are gathered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathering {
    /// The most words of a question.
    pub(super) words_max: u16,
    /// So many words that nobody wants may lie between two that are asked for together.
    pub(super) gap: u16,
}

/// A question to a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegisterSpan {
    /// The first word or bit.
    pub(super) place: RegisterPlace,
    pub(super) count: u16,
    /// The registers in the answer, each with its place there.
    pub(super) parts: Vec<(usize, usize)>,
}

impl std::fmt::Display for RegisterSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RegisterPlace { unit, table, address } = self.place;
        let last = u32::from(address) + u32::from(self.count) - 1;
        write!(f, "unit {unit}, {} {address} to {last}", table.name())
    }
}

/// The questions for all registers, unit by unit.
pub(super) fn gather(registers: &[Register], how: Gathering) -> Vec<RegisterSpan> {
    let mut sorted: Vec<(usize, &Register)> = registers.iter().enumerate().collect();
    sorted.sort_by_key(|(_, register)| register.place);
    let mut requests: Vec<RegisterSpan> = Vec::new();
    for (number, register) in sorted {
        let length = register.encoding.kind.length();
        let joined = requests.last_mut().and_then(|last| join(last, register, length, how));
        match (joined, requests.last_mut()) {
            (Some(at), Some(last)) => last.parts.push((number, at)),
            _ => {
                requests.push(RegisterSpan { place: register.place, count: length, parts: vec![(number, 0)] })
            }
        }
    }
    requests
}

/// Makes a question ask for a register too, and answers its place in the answer; `None`: it is too far away.
fn join(request: &mut RegisterSpan, register: &Register, length: u16, how: Gathering) -> Option<usize> {
    let (first, own) = (request.place, register.place);
    if (first.unit, first.table) != (own.unit, own.table) {
        return None;
    }
    let at = own.address.checked_sub(first.address)?;
    let count = request.count.max(at.checked_add(length)?);
    let count_max = if own.table.has_bits() { BITS_MAX } else { how.words_max };
    let is_near = at <= request.count.saturating_add(how.gap);
    (is_near && count <= count_max).then(|| {
        request.count = count;
        usize::from(at)
    })
}

#[cfg(test)]
mod tests {
    use super::super::register::{ByteOrder, Encoding, RegisterTable, ValueType};
    use super::*;
    use proptest::prelude::*;

    fn register(unit: u8, table: RegisterTable, address: u16, kind: ValueType) -> Register {
        Register {
            name: String::new(),
            labels: Vec::new(),
            unit_of_measure: None,
            place: RegisterPlace { unit, table, address },
            encoding: Encoding { kind, order: ByteOrder::Abcd, scale: 1.0, offset: 0.0 },
        }
    }

    fn words(registers: &[(u16, ValueType)], how: Gathering) -> Vec<(u16, u16)> {
        let registers: Vec<Register> = registers
            .iter()
            .map(|(address, kind)| register(1, RegisterTable::Holding, *address, *kind))
            .collect();
        gather(&registers, how).iter().map(|request| (request.place.address, request.count)).collect()
    }

    #[test]
    fn what_lies_side_by_side_is_one_question() {
        let how = Gathering { words_max: 125, gap: 0 };
        let (f32, u16) = (ValueType::F32, ValueType::U16);
        assert_eq!(
            words(&[(4, f32), (0, f32), (2, f32), (0, u16)], how),
            [(0, 6)],
            "in any order, and twice"
        );
        assert_eq!(words(&[(0, f32), (3, u16)], how), [(0, 2), (3, 1)]);
        assert_eq!(words(&[(0, f32), (3, u16)], Gathering { gap: 1, ..how }), [(0, 4)]);
        let many: Vec<(u16, ValueType)> = (0..130).map(|address| (address, u16)).collect();
        assert_eq!(words(&many, how), [(0, 125), (125, 5)]);
        assert_eq!(words(&[(123, f32), (125, f32), (0, u16)], how), [(0, 1), (123, 4)]);
        assert_eq!(words(&[(65_534, f32), (65_535, u16)], how), [(65_534, 2)]);
        let others = [
            register(2, RegisterTable::Coil, 0, ValueType::Bit),
            register(1, RegisterTable::Input, 1, u16),
            register(1, RegisterTable::Holding, 0, u16),
        ];
        let shown: Vec<String> = gather(&others, how).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["unit 1, holding 0 to 0", "unit 1, input 1 to 1", "unit 2, coil 0 to 0"]);
    }

    proptest! {
        #[test]
        fn every_register_is_in_one_answer(
            places in prop::collection::vec((1_u8..3, 0_u16..400, 0_usize..3), 0..80),
            words_max in 4_u16..=125, gap in 0_u16..20,
        ) {
            let kinds = [ValueType::U16, ValueType::U32, ValueType::F64];
            let registers: Vec<Register> = places.iter()
                .map(|(unit, address, kind)| register(*unit, RegisterTable::Input, *address, kinds[*kind]))
                .collect();
            let requests = gather(&registers, Gathering { words_max, gap });
            let mut seen = vec![0; registers.len()];
            for request in &requests {
                prop_assert!(request.count <= words_max);
                for (number, at) in &request.parts {
                    let register = &registers[*number];
                    seen[*number] += 1;
                    prop_assert_eq!(register.place.unit, request.place.unit);
                    prop_assert_eq!(usize::from(register.place.address - request.place.address), *at);
                    prop_assert!(at + usize::from(register.encoding.kind.length()) <= usize::from(request.count));
                }
            }
            prop_assert!(seen.iter().all(|count| *count == 1));
        }
    }
}
