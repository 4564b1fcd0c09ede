//! The stored form of what detectors have learned: their fields in order, see [`state`](crate::state).
//!
//! A number that is not finite is refused, so that damage cannot silence a detector.

use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::SteadyTime;

/// The part of a detector that changes with readings.
pub(super) trait Learned: Sized {
    fn put(&self, to: &mut dyn StateWriter);

    fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt>;
}

/// Implements `Detector::save` and `Detector::restore` for the named fields; the others come from the config.
macro_rules! learned {
    ($($field:ident),+) => {
        fn save(&self, to: &mut dyn crate::state::StateWriter) {
            $(crate::detect::learned::Learned::put(&self.$field, to);)+
        }

        fn restore(&mut self, from: &mut crate::state::StateReader<'_>) -> Result<(), crate::state::Corrupt> {
            $(let $field = crate::detect::learned::Learned::take(from)?;)+
            $(self.$field = $field;)+
            Ok(())
        }
    };
}

/// Implements [`Learned`] for a struct with exactly these fields.
macro_rules! learned_struct {
    ($name:ident $(<$(const $n:ident: $kind:ty),+>)? { $($field:ident),+ }) => {
        impl $(<$(const $n: $kind),+>)? crate::detect::learned::Learned for $name $(<$($n),+>)? {
            fn put(&self, to: &mut dyn crate::state::StateWriter) {
                $(self.$field.put(to);)+
            }

            #[inline(never)]
            fn take(from: &mut crate::state::StateReader<'_>) -> Result<Self, crate::state::Corrupt> {
                $(let $field = crate::detect::learned::Learned::take(from)?;)+
                Ok(Self { $($field),+ })
            }
        }
    };
}

pub(super) use {learned, learned_struct};

macro_rules! as_state {
    ($($kind:ty),*) => {$(
        impl Learned for $kind {
            fn put(&self, to: &mut dyn StateWriter) {
                self.save(to);
            }

            // Within each field of each detector it would take 50 KB of the program, for what a start does once.
            #[inline(never)]
            fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
                Self::load(from)
            }
        }
    )*};
}

as_state!(bool, u8, u16, u32, u64, i16, i64, SteadyTime);

impl Learned for f64 {
    fn put(&self, to: &mut dyn StateWriter) {
        self.save(to);
    }

    #[inline(never)]
    fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Self::load(from).and_then(|number| if number.is_finite() { Ok(number) } else { Err(Corrupt) })
    }
}

impl<T: Learned> Learned for Option<T> {
    fn put(&self, to: &mut dyn StateWriter) {
        self.is_some().save(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        if bool::load(from)? { T::take(from).map(Some) } else { Ok(None) }
    }
}

impl<A: Learned, B: Learned> Learned for (A, B) {
    fn put(&self, to: &mut dyn StateWriter) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

impl<T: Learned, const N: usize> Learned for [T; N] {
    fn put(&self, to: &mut dyn StateWriter) {
        self.iter().for_each(|value| value.put(to));
    }

    #[inline(never)]
    fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let mut all = heapless::Vec::<T, N>::new();
        for _ in 0..N {
            all.push(T::take(from)?).map_err(|_| Corrupt)?;
        }
        all.into_array().map_err(|_| Corrupt)
    }
}
