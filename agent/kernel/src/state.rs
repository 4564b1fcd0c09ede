//! Stored state, so that a restart continues from the last checkpoint.
//!
//! Little-endian numbers one after another, without padding. The caller keeps the checksum, the identity (series and
//! config) and the version of each part. The version is declared beside the code that writes the part: [`Tagged`] for
//! accumulators, [`windows_version`](crate::series::windows_version) for windows, `version` of a
//! [`DetectorKind`](crate::detect::DetectorKind) for detectors. Stored bytes are never trusted: any bytes give a
//! valid value or [`Corrupt`].

use crate::time::{AgentTime, SteadyTime, Time};
use crate::window::Window;
use core::fmt;

/// A larger count is damage; smaller ones add up without overflow.
const COUNT_MAX: u64 = 1 << 48;

/// Takes bytes in order.
pub trait StateWriter {
    /// Writes bytes after the earlier ones.
    fn put(&mut self, bytes: &[u8]);
}

impl<F: FnMut(&[u8])> StateWriter for F {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self(bytes);
    }
}

/// The bytes are not a state of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored state is cut off or damaged; it cannot be gone on from")
    }
}

impl core::error::Error for Corrupt {}

/// Stored bytes being read.
#[derive(Clone, Copy, Debug)]
pub struct StateReader<'a>(&'a [u8]);

impl<'a> StateReader<'a> {
    /// From the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The unread bytes.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Corrupt`]: there are not as many.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

/// A value that can be stored and comes back equal.
pub trait State: Sized {
    /// Writes the whole value.
    fn save(&self, to: &mut (impl StateWriter + ?Sized));

    /// Reads what [`State::save`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`]: the bytes end early or cannot have been written by it.
    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt>;
}

/// State with a tag and a version of its own, so that a program that does not know it can skip it.
pub trait Tagged: State {
    /// Identifies the kind; a tag is never reused.
    const TAG: u16;
    /// The version of the bytes that [`State::save`] writes. Raise it whenever they change.
    const VERSION: u16;
    /// The number of bytes; 0: it varies.
    const BYTES: u16 = 0;
    /// The oldest version that [`Tagged::load_version`] reads.
    const OLDEST: u16 = Self::VERSION;

    /// Reads what a program wrote that wrote this version, from [`Tagged::OLDEST`] to [`Tagged::VERSION`].
    ///
    /// # Errors
    /// [`Corrupt`]: as [`State::load`], or the version is unknown.
    fn load_version(version: u16, from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        if version == Self::VERSION { Self::load(from) } else { Err(Corrupt) }
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl State for $number {
            #[inline]
            fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
                to.put(&self.to_le_bytes());
            }

            #[inline]
            fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
                from.take().map(Self::from_le_bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i8, i16, i32, i64, f64);

impl State for bool {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        u8::from(*self).save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        match u8::load(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Corrupt),
        }
    }
}

impl<T: State> State for Option<T> {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.is_some().save(to);
        if let Some(value) = self {
            value.save(to);
        }
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        if bool::load(from)? { T::load(from).map(Some) } else { Ok(None) }
    }
}

impl<A: State, B: State> State for (A, B) {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.0.save(to);
        self.1.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok((A::load(from)?, B::load(from)?))
    }
}

macro_rules! times {
    ($($time:ty),*) => {$(
        impl State for $time {
            fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
                self.0.save(to);
            }

            fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
                i64::load(from).map(Self)
            }
        }
    )*};
}

times!(Time, AgentTime, SteadyTime);

impl State for Window {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        (self.start, self.end).save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (start, end) = State::load(from)?;
        if start <= end { Ok(Self { start, end }) } else { Err(Corrupt) }
    }
}

/// A count of readings.
pub(crate) fn load_count(from: &mut StateReader<'_>) -> Result<u64, Corrupt> {
    u64::load(from).and_then(|count| if count < COUNT_MAX { Ok(count) } else { Err(Corrupt) })
}
