//! What `auto` says of a reading that it flags, as a person would.

use crate::detect::describe::{Duration, Rough};
use crate::detect::learned::Learned;
use crate::state::{Corrupt, StateReader, StateWriter};
use crate::time::Time;
use core::fmt;

/// Why a reading is unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reason {
    /// The mean of so many last readings is so far from usual [channel unit].
    Usual { readings: u8, by: f64, at: Option<Time> },
    /// It is so far from the readings just before it [channel unit].
    Neighbours { by: f64 },
    /// Steps are larger than they were.
    Steps,
    /// It has not changed for so long, and never for longer than that [ms].
    Flat { length: i64, longest: i64 },
}

impl Default for Reason {
    fn default() -> Self {
        Self::Usual { readings: 1, by: 0.0, at: None }
    }
}

/// Reads on after `36.2 is`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Usual { readings, by, at } => {
                if readings > 1 {
                    write!(f, "the last of {readings} readings, on average ")?;
                }
                write!(f, "{} what is usual", Beside(by))?;
                at.map_or(Ok(()), |time| write!(f, " at {} UTC", HalfHour(time)))
            }
            Self::Neighbours { by } => write!(f, "{} the readings just before it", Beside(by)),
            Self::Steps => f.write_str("part of a restless stretch: readings jump more than usual"),
            Self::Flat { length, longest } => {
                let (length, longest) = (Duration(whole(length)), Duration(whole(longest)));
                write!(f, "flat for {length}, never longer than {longest} before")
            }
        }
    }
}

/// `10 above`, `0.4 below`.
struct Beside(f64);

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.0 < 0.0 { "below" } else { "above" };
        write!(f, "{} {word}", Rough(self.0.abs()))
    }
}

/// The half hour of the day in which a time is: `14:30`.
struct HalfHour(Time);

impl fmt::Display for HalfHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half_hours = self.0.0.div_euclid(1_800_000).rem_euclid(48);
        write!(f, "{:02}:{:02}", half_hours / 2, half_hours % 2 * 30)
    }
}

/// Minutes and hours without what hardly counts.
const fn whole(ms: i64) -> i64 {
    let unit = match ms {
        ..60_000 => 1_000,
        60_000..36_000_000 => 60_000,
        _ => 3_600_000,
    };
    ms / unit * unit
}

impl Learned for Reason {
    fn put(&self, to: &mut dyn StateWriter) {
        match *self {
            Self::Usual { readings, by, at } => {
                (0_u8, readings).put(to);
                (by, at.map(|time| time.0)).put(to);
            }
            Self::Neighbours { by } => (1_u8, by).put(to),
            Self::Steps => 2_u8.put(to),
            Self::Flat { length, longest } => (3_u8, (length, longest)).put(to),
        }
    }

    fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(match u8::take(from)? {
            0 => Self::Usual {
                readings: Learned::take(from)?,
                by: Learned::take(from)?,
                at: <Option<i64> as Learned>::take(from)?.map(Time),
            },
            1 => Self::Neighbours { by: Learned::take(from)? },
            2 => Self::Steps,
            3 => Self::Flat { length: Learned::take(from)?, longest: Learned::take(from)? },
            _ => return Err(Corrupt),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Learned, Reason, StateReader, Time};

    extern crate std;
    use std::string::ToString;
    use std::vec::Vec;

    const MINUTE: i64 = 60_000;

    #[test]
    fn reasons_are_what_a_person_would_say() {
        let at = Some(Time(14 * 60 * MINUTE + 1));
        let all = [
            (Reason::Usual { readings: 1, by: 10.023, at }, "10 above what is usual at 14:00 UTC"),
            (
                Reason::Usual { readings: 30, by: -0.0456, at: None },
                "the last of 30 readings, on average 0.046 below what is usual",
            ),
            (Reason::Neighbours { by: 123.4 }, "123 above the readings just before it"),
            (Reason::Neighbours { by: -450_787_352.0 }, "451000000 below the readings just before it"),
            (Reason::Steps, "part of a restless stretch: readings jump more than usual"),
            (
                Reason::Flat { length: 180 * MINUTE + 9, longest: 20 * MINUTE + 500 },
                "flat for 3h, never longer than 20m before",
            ),
            (
                Reason::Flat { length: 600_000 * MINUTE, longest: 0 },
                "flat for 416d16h, never longer than 0s before",
            ),
        ];
        for (reason, said) in all {
            assert_eq!(reason.to_string(), said);
            let mut state = Vec::new();
            reason.put(&mut |bytes: &[u8]| state.extend_from_slice(bytes));
            assert_eq!(Reason::take(&mut StateReader::new(&state)), Ok(reason));
        }
        assert!(Reason::take(&mut StateReader::new(&[4])).is_err());
    }
}
