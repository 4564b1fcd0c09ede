//! Lines of bounded length.

use std::io::{self, BufRead};

/// The result of reading a line or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoundRecord {
    Record,
    /// Longer than allowed, and skipped.
    TooLarge,
    End,
}

/// Reads up to the end of the line, which is dropped; blank lines are left to the caller.
pub(crate) fn read_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    bytes_max: usize,
) -> io::Result<FoundRecord> {
    line.clear();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(if line.is_empty() { FoundRecord::End } else { FoundRecord::Record });
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        let fits = line.len() + part.len() <= bytes_max;
        if fits {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        match (fits, end) {
            (true, None) => {}
            (true, Some(_)) => return Ok(FoundRecord::Record),
            (false, Some(_)) => return Ok(FoundRecord::TooLarge),
            (false, None) => {
                input.skip_until(b'\n')?;
                return Ok(FoundRecord::TooLarge);
            }
        }
    }
}

/// Why a line is skipped.
pub(crate) fn too_large(max: usize) -> String {
    format!("longer than `payload` in [limits] allows ({max} bytes); raise it there")
}
