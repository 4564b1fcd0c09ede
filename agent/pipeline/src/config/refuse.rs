//! Reports a parameter that the kernel refuses.

use headwater_kernel::OutOfRange;
use headwater_settings::Table;

pub(super) fn refuse_parameter(table: &Table<'_>, span: std::ops::Range<usize>, error: &OutOfRange) {
    let verb = if table.has(error.parameter) { "change" } else { "add" };
    table.refuse(span, error.to_string(), format!("{verb} `{}`", error.parameter));
}
