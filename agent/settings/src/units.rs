//! Durations in milliseconds (`"250ms" "10s" "5m" "1h" "7d"`) and sizes in bytes (`"64KiB" "256MiB"`).

const DURATIONS: &[(&str, i64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Milliseconds of a duration; several parts may follow one another (`"1h30m"`). `None`: not a duration.
#[must_use]
pub fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut total = 0_i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, tail) = after.split_at_checked(unit_end)?;
        let scale = DURATIONS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(scaled(number, scale as u64)?.try_into().ok()?)?;
        rest = tail.trim_start();
    }
    Some(total)
}

/// Bytes of a size. `None`: not a size.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text.trim());
    let unit = unit.trim();
    let scale = if unit.is_empty() { 1 } else { SIZES.iter().find(|(name, _)| *name == unit)?.1 };
    scaled(number, scale)
}

/// The shortest exact way to write `ms` milliseconds that [`parse_duration`] reads, e.g. `90s`.
#[must_use]
pub fn format_duration(ms: i64) -> String {
    let unit = DURATIONS.iter().find(|(_, scale)| ms != 0 && ms % scale == 0);
    unit.map_or_else(|| "0s".to_owned(), |(name, scale)| format!("{}{name}", ms / scale))
}

/// A size for people, in binary units with at most one decimal.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let binary = SIZES.iter().take(4).find(|(_, scale)| bytes >= *scale);
    match binary {
        None => format!("{bytes} B"),
        Some((name, scale)) if bytes.is_multiple_of(*scale) => format!("{} {name}", bytes / scale),
        Some((name, scale)) => format!("{:.1} {name}", bytes as f64 / *scale as f64),
    }
}

/// The part of a hint up to its first comma or example, for the middle of a sentence.
pub(crate) fn first_words(wanted: &str) -> &str {
    let end = wanted.find(',').into_iter().chain(wanted.find(" such as")).min();
    end.and_then(|at| wanted.get(..at)).unwrap_or(wanted)
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// `number * scale`, exact for integers; decimals such as `1.5` must come out whole.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() && !fraction.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(scale)?;
    if !fraction.is_empty() {
        let digits: u64 = fraction.parse().ok()?;
        let denominator = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let product = digits.checked_mul(scale)?;
        if product % denominator != 0 {
            return None;
        }
        total = total.checked_add(product / denominator)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_exactly() {
        assert_eq!(parse_duration("250ms"), Some(250));
        assert_eq!(parse_duration("1h30m"), Some(5_400_000));
        assert_eq!(parse_duration("1.5s"), Some(1_500));
        assert_eq!(parse_duration("7d"), Some(604_800_000));
        assert_eq!(parse_duration("0s"), Some(0));
        for bad in ["", "5", "s", "1 parsec", "-1s", "1.0005s", "9999999999999d", "1..5s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(parse_size("64KiB"), Some(65_536));
        assert_eq!(parse_size("1.5 MiB"), Some(1_572_864));
        assert_eq!(parse_size("12"), Some(12));
        for bad in ["", "KiB", "1 KiBs", "-1B", "99999999TiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for ms in [1, 250, 1_000, 90_000, 60_000, 86_400_000] {
            assert_eq!(parse_duration(&format_duration(ms)), Some(ms));
        }
        assert_eq!(format_duration(90_000), "90s");
        assert_eq!(format_size(256 << 20), "256 MiB");
        assert_eq!(format_size(1536), "1.5 KiB");
    }
}
