//! Reports a parameter that the kernel refuses, and series that a stream does not select.

use crate::glob;
use headwater_kernel::OutOfRange;
use headwater_settings::{At, Table};

pub(super) fn refuse_parameter(table: &Table<'_>, span: std::ops::Range<usize>, error: &OutOfRange) {
    let verb = if table.has(error.parameter) { "change" } else { "add" };
    table.refuse(span, error.to_string(), format!("{verb} `{}`", error.parameter));
}

/// Refuses names and globs that the stream's `series` leave out.
pub(super) fn refuse_unselected(table: &Table<'_>, names: &[At<String>], series: Option<&[String]>) {
    let Some(globs) = series else { return };
    for name in names.iter().filter(|name| !globs.iter().any(|glob| glob::may_meet(glob, &name.value))) {
        let what = format!("the stream does not select the series `{}`", name.value);
        table.refuse(name.span.clone(), what, "add it to the stream's `series`, or name another");
    }
}
