//! Real recordings. Two come with the tests; a collection beside the checkout may hold more.

use std::path::{Path, PathBuf};

/// Readings as `(time [ms since the Unix epoch], value)`.
pub type Readings = Vec<(i64, f64)>;

/// A recording of `tests/data/`, by its file name.
///
/// # Panics
/// When it is not there or not a recording.
#[must_use]
pub fn own(name: &str) -> Readings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    first_column(&path)
}

/// A recording of the collection beside the checkout. `None`, with the reason printed: there is no such collection.
#[must_use]
pub fn shared(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(relative);
    if !path.exists() {
        println!("skipped: no recording {relative} (the collection ../shared/data is not here)");
        return None;
    }
    Some(path)
}

/// The times and the first value column of a CSV file with a header.
///
/// # Panics
/// When the file is not one.
#[must_use]
pub fn first_column(path: &Path) -> Readings {
    columns(path).into_iter().map(|(time, values)| (time, values[0])).collect()
}

/// The times and all value columns of a CSV file with a header, times as `2013-07-04 00:00:00` in UTC.
///
/// # Panics
/// When the file is not one.
#[must_use]
pub fn columns(path: &Path) -> Vec<(i64, Vec<f64>)> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().skip(1).map(row).collect()
}

fn row(line: &str) -> (i64, Vec<f64>) {
    let mut cells = line.split(',');
    let time = cells.next().and_then(|cell| cell.parse::<jiff::civil::DateTime>().ok());
    let time = time.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let time = time.unwrap_or_else(|| panic!("no time in {line}")).timestamp().as_millisecond();
    let values = cells.map(|cell| cell.parse().unwrap_or_else(|_| panic!("no number in {line}"))).collect();
    (time, values)
}
