//! `headwater schema`: the JSON Schema of the config, for editors.

use super::{Failure, stdout};
use crate::schema::schema;

pub(super) fn run() -> Result<(), Failure> {
    stdout::print(schema())
}
