//! The error of constructors that take parameters.

use core::fmt;

/// A parameter outside its range. Constructors refuse it, so that nothing fails later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The parameter's name as in the config.
    pub parameter: &'static str,
    /// The requirement, as in `after` `must be longer than 0`.
    pub want: &'static str,
}

impl OutOfRange {
    /// Names the parameter and the requirement.
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
