//! One folder for each kind of output.

pub(crate) mod mqtt;
