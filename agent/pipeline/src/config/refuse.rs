//! Reports a parameter that the kernel refuses.

use headwater_kernel::OutOfRange;
use headwater_settings::Table;

pub(super) fn refuse_parameter(table: &Table<'_>, span: std::ops::Range<usize>, error: &OutOfRange) {
    table.refuse(span, error.to_string(), format!("change `{}`", error.parameter));
}
