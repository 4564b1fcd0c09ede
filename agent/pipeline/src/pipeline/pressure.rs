//! What gives way when memory is short: the lowest first.

use super::Pipeline;

/// How much has to give way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Nothing.
    #[default]
    None,
    /// Closed windows, which are kept for late readings.
    Some,
    /// Series that are not known yet as well: they are refused. What is known goes on.
    Full,
}

impl Pipeline {
    /// Lets so much give way from now on, and no more.
    pub fn on_pressure(&mut self, pressure: Pressure) {
        self.directory.shut(pressure == Pressure::Full);
        self.retained_bytes = if pressure == Pressure::None { self.retained_bytes_max } else { 0 };
        self.share_retention();
    }
}
