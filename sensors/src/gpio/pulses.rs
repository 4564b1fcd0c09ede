//! A count of pulses that never falls, over restarts and lost chips.
//!
//! ```text
//! stored: version u8, count u64
//! ```

/// The version of what is stored.
const VERSION: u8 = 1;

/// The pulses of a line, ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulses {
    count: u64,
    /// The kernel's number of the last one, since the line was asked for.
    last: u32,
}

impl Pulses {
    /// The line was asked for: the kernel's numbers begin again.
    pub(super) fn begin(&mut self) {
        self.last = 0;
    }

    /// Takes a pulse by the kernel's number. Answers how many it had no room for since the last one; they count too.
    pub(super) fn take(&mut self, number: u32) -> u32 {
        let more = number.wrapping_sub(self.last);
        self.last = number;
        self.count = self.count.saturating_add(u64::from(more));
        more.saturating_sub(1)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is as good without its last digits")]
    pub(super) fn count(&self) -> f64 {
        self.count as f64
    }

    pub(super) fn store(&self) -> [u8; 9] {
        let [a, b, c, d, e, f, g, h] = self.count.to_le_bytes();
        [VERSION, a, b, c, d, e, f, g, h]
    }

    /// What was stored; `None`: by a later version, or it is damaged.
    pub(super) fn load(stored: &[u8]) -> Option<Self> {
        let count = stored.strip_prefix(&[VERSION])?.try_into().ok()?;
        Some(Self { count: u64::from_le_bytes(count), last: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_goes_on_whatever_the_kernel_numbers() {
        let mut pulses = Pulses::default();
        assert_eq!([1, 2, 7].map(|number| pulses.take(number)), [0, 0, 4]);
        pulses.begin();
        assert_eq!((pulses.take(1), pulses.count()), (0, 8.0));
        pulses.last = u32::MAX;
        assert_eq!((pulses.take(1), pulses.count()), (1, 10.0), "numbers wrap");
        let again = Pulses::load(&pulses.store()).unwrap();
        assert_eq!(again, Pulses { count: 10, last: 0 });
        assert_eq!((Pulses::load(&[2; 9]), Pulses::load(&[1; 8]), Pulses::load(&[])), (None, None, None));
    }
}
