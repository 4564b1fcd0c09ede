//! The one error of everything that is built from parameters.

use core::fmt;

/// A parameter outside its range. Refused when built, so that what runs later cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The parameter's name as in the config.
    pub parameter: &'static str,
    /// What would be right, to be read after the name: `must be longer than 0`.
    pub want: &'static str,
}

impl OutOfRange {
    /// Names the parameter and says what would be right.
    #[must_use]
    pub const fn new(parameter: &'static str, want: &'static str) -> Self {
        Self { parameter, want }
    }
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.parameter, self.want)
    }
}

impl core::error::Error for OutOfRange {}
