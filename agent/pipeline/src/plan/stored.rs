//! Stores the accumulators of a window. All windows of a stream share one layout, which is stored before them: so
//! each accumulator has a tag and a version of its own, and a window pays for neither.
//!
//! ```text
//! layout: entries u8, each: tag u16, version u16, bytes u16
//! window: the bytes of each entry, in order; for an entry with bytes 0: length u32, bytes (length 0: absent)
//! ```
//!
//! An accumulator of an unknown kind or version is skipped. Its numbers are left out of the window's summary, and of
//! every window that it is merged into.

use super::Accumulators;
use super::optional::{OptionalAccumulators, Prior};
use crate::points::Points;
use crate::sections::length32;
use headwater_kernel::aggregate::{CounterRate, Ends, Integral, Moments, Slope, States, ValueSteps};
use headwater_kernel::state::{Corrupt, State, StateReader, Tagged};

/// The accumulators of windows, and how they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaneLayout(Vec<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    version: u16,
    /// The size; 0: each window stores its own.
    bytes: u16,
}

/// An accumulator that stored windows lack, or have in another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingPart {
    /// Its name for people.
    pub name: &'static str,
    /// The stored version; `None`: absent.
    pub stored: Option<u16>,
    /// The version that this program reads.
    pub read: u16,
}

/// An accumulator of a window.
trait Part: Tagged {
    const NAME: &'static str;
    fn get(pane: &Accumulators) -> Option<&Self>;
    fn set(self, pane: &mut Accumulators);
}

/// Calls a macro with every kind of accumulator.
macro_rules! parts {
    ($each:ident!($($args:tt)*)) => {
        $each!(Moments, $($args)*);
        $each!(Ends, $($args)*);
        $each!(crate::sketch::GrowingSketch, $($args)*);
        $each!(super::optional::Ordered<CounterRate>, $($args)*);
        $each!(super::optional::Ordered<Integral>, $($args)*);
        $each!(super::optional::Ordered<States>, $($args)*);
        $each!(super::optional::Ordered<ValueSteps>, $($args)*);
        $each!(Slope, $($args)*);
        $each!(Points, $($args)*);
        $each!(Prior, $($args)*);
    };
}

impl Entry {
    fn of<T: Tagged>() -> Self {
        Self { tag: T::TAG, version: T::VERSION, bytes: T::BYTES }
    }

    fn is_of<T: Tagged>(self) -> bool {
        (self.tag, self.bytes) == (T::TAG, T::BYTES) && (T::OLDEST..=T::VERSION).contains(&self.version)
    }

    /// Whether this program reads it.
    fn is_read(self) -> bool {
        macro_rules! any {
            ($part:ty,) => {
                if self.is_of::<$part>() {
                    return true;
                }
            };
        }
        parts!(any!());
        false
    }

    /// Writes the accumulator of a window, or its absence.
    fn save(self, pane: &Accumulators, to: &mut Vec<u8>) {
        macro_rules! put {
            ($part:ty,) => {
                if self.is_of::<$part>() {
                    return put(<$part>::get(pane), to);
                }
            };
        }
        parts!(put!());
        debug_assert!(false, "what is written is of this program: {self:?}");
    }

    /// Reads the accumulator into a window, if this program knows it.
    fn load(self, pane: &mut Accumulators, bytes: &[u8]) -> Result<(), Corrupt> {
        macro_rules! take {
            ($part:ty,) => {
                if self.is_of::<$part>() {
                    let mut from = StateReader::new(bytes);
                    <$part>::load_version(self.version, &mut from)?.set(pane);
                    return if from.rest().is_empty() { Ok(()) } else { Err(Corrupt) };
                }
            };
        }
        parts!(take!());
        Ok(())
    }

    /// Splits off the bytes of this accumulator; `None`: absent.
    fn take<'a>(self, from: &mut StateReader<'a>) -> Result<Option<&'a [u8]>, Corrupt> {
        let length = match self.bytes {
            0 => u32::load(from)? as usize,
            bytes => usize::from(bytes),
        };
        let (own, rest) = from.rest().split_at_checked(length).ok_or(Corrupt)?;
        *from = StateReader::new(rest);
        Ok(Some(own).filter(|own| !own.is_empty()))
    }
}

fn put<T: Tagged>(part: Option<&T>, to: &mut Vec<u8>) {
    let start = to.len();
    if T::BYTES == 0 {
        to.extend_from_slice(&[0; 4]);
    }
    let from = to.len();
    if let Some(part) = part {
        part.save(&mut |bytes: &[u8]| to.extend_from_slice(bytes));
    }
    let length = to.len() - from;
    debug_assert!(T::BYTES == 0 || length == usize::from(T::BYTES), "tag {} takes {length} bytes", T::TAG);
    if let Some(place) = to.get_mut(start..from).filter(|_| T::BYTES == 0) {
        place.copy_from_slice(&length32(length).to_le_bytes());
    }
}

impl PaneLayout {
    /// The layout that this program writes for windows like this one.
    pub fn of(pane: &Accumulators) -> Self {
        let mut entries = Vec::new();
        macro_rules! entry {
            ($part:ty,) => {
                if <$part>::get(pane).is_some() {
                    entries.push(Entry::of::<$part>());
                }
            };
        }
        parts!(entry!());
        Self(entries)
    }

    /// Appends the layout.
    pub fn save(&self, to: &mut Vec<u8>) {
        debug_assert!(
            self.0.len() <= usize::from(u8::MAX),
            "there are fewer kinds of accumulators than that"
        );
        to.push(self.0.len() as u8);
        for Entry { tag, version, bytes } in &self.0 {
            [tag, version, bytes].iter().for_each(|number| to.extend_from_slice(&number.to_le_bytes()));
        }
    }

    /// Reads what [`PaneLayout::save`] wrote.
    pub fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let entries = u8::load(from)?;
        let entry =
            |_| Ok(Entry { tag: State::load(from)?, version: State::load(from)?, bytes: State::load(from)? });
        (0..entries).map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// The accumulators of `wanted` that this layout lacks. Version 0.1.0 had no prior, and nothing is lost with it.
    pub fn missing(&self, wanted: &Self) -> Vec<MissingPart> {
        let has = |wanted: &Entry| self.0.iter().any(|own| own.tag == wanted.tag && own.is_read());
        let lacking = wanted.0.iter().filter(|wanted| !has(wanted) && wanted.tag != Prior::TAG);
        let missing = |wanted: &Entry| MissingPart {
            name: name_of(wanted.tag),
            stored: self.0.iter().find(|own| own.tag == wanted.tag).map(|own| own.version),
            read: wanted.version,
        };
        lacking.map(missing).collect()
    }

    /// Appends the accumulators of a window.
    pub fn save_pane(&self, pane: &Accumulators, to: &mut Vec<u8>) {
        self.0.iter().for_each(|entry| entry.save(pane, to));
    }

    /// Reads what [`PaneLayout::save_pane`] wrote, as far as this program knows it.
    pub fn load_pane(&self, from: &mut StateReader<'_>) -> Result<Accumulators, Corrupt> {
        let mut pane =
            Accumulators { moments: Moments::lost(), ends: Ends::lost(), sketch: None, optional: None };
        for entry in &self.0 {
            if let Some(own) = entry.take(from)? {
                entry.load(&mut pane, own)?;
            }
        }
        Ok(pane)
    }
}

fn name_of(tag: u16) -> &'static str {
    macro_rules! name {
        ($part:ty, $tag:ident) => {
            if <$part>::TAG == $tag {
                return <$part>::NAME;
            }
        };
    }
    parts!(name!(tag));
    "an accumulator"
}

impl Accumulators {
    /// Appends a window's accumulators with their layout, for a window that is stored alone.
    pub fn save(&self, to: &mut Vec<u8>) {
        let layout = PaneLayout::of(self);
        layout.save(to);
        layout.save_pane(self, to);
    }

    /// Reads what [`Accumulators::save`] wrote, as far as this program knows it.
    pub fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        PaneLayout::load(from)?.load_pane(from)
    }
}

impl Part for Moments {
    const NAME: &'static str = "count, sum, extremes, mean and deviation";

    fn get(pane: &Accumulators) -> Option<&Self> {
        Some(&pane.moments)
    }

    fn set(self, pane: &mut Accumulators) {
        pane.moments = self;
    }
}

impl Part for Ends {
    const NAME: &'static str = "first and last";

    fn get(pane: &Accumulators) -> Option<&Self> {
        Some(&pane.ends)
    }

    fn set(self, pane: &mut Accumulators) {
        pane.ends = self;
    }
}

impl Part for crate::sketch::GrowingSketch {
    const NAME: &'static str = "percentiles";

    fn get(pane: &Accumulators) -> Option<&Self> {
        pane.sketch.as_ref()
    }

    fn set(self, pane: &mut Accumulators) {
        pane.sketch = Some(self);
    }
}

impl Part for Prior {
    const NAME: &'static str = "the reading before";

    fn get(pane: &Accumulators) -> Option<&Self> {
        pane.optional.as_ref()?.prior.as_ref()
    }

    fn set(self, pane: &mut Accumulators) {
        pane.optional.get_or_insert_default().prior = Some(self);
    }
}

/// Declares an accumulator behind a pointer of [`OptionalAccumulators`].
macro_rules! optional_part {
    ($part:ty, $field:ident, $name:literal) => {
        impl Part for $part {
            const NAME: &'static str = $name;

            fn get(pane: &Accumulators) -> Option<&Self> {
                pane.optional.as_ref()?.$field.as_deref()
            }

            fn set(self, pane: &mut Accumulators) {
                pane.optional.get_or_insert_with(|| Box::new(OptionalAccumulators::default())).$field =
                    Some(Box::new(self));
            }
        }
    };
}

optional_part!(super::optional::Ordered<CounterRate>, rate, "increase and rate");
optional_part!(super::optional::Ordered<Integral>, integral, "integral and time-weighted mean");
optional_part!(super::optional::Ordered<States>, states, "states");
optional_part!(super::optional::Ordered<ValueSteps>, steps, "changes and runs");
optional_part!(Slope, slope, "slope");
optional_part!(Points, points, "points");
