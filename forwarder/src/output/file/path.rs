//! The `path` of an output: the file of each message.

use crate::MessageAddress;
use crate::template::{AddressPart, KnownPlaceholder, OutputTemplate, TemplatePart};
use std::path::{Path, PathBuf};

/// Stands for the file's number in a place.
pub(super) const NUMBER: char = '\0';

/// The ending that compression adds to a name.
pub(super) const GZ: &str = ".gz";

/// The parts of a path that differ from file to file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathPart {
    Name(AddressPart),
    Date,
    Hour,
    Number,
}

const KNOWN: [KnownPlaceholder<PathPart>; 7] = [
    ("agent", PathPart::Name(AddressPart::Agent)),
    ("kind", PathPart::Name(AddressPart::Kind)),
    ("stream", PathPart::Name(AddressPart::Stream)),
    ("series", PathPart::Name(AddressPart::Series)),
    ("date", PathPart::Date),
    ("hour", PathPart::Hour),
    ("n", PathPart::Number),
];

/// A `path`: a text with placeholders. The last level contains the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathTemplate(OutputTemplate<PathPart>);

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let template = OutputTemplate::parse(text, &KNOWN)?;
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        if name.matches("{n}").count() != 1 || folder.contains("{n}") {
            return Err(
                "the last level needs {n}, once: files that are complete are not written again".into()
            );
        }
        if name.ends_with(GZ) {
            return Err(
                "leave `.gz` out and write `gzip = true`: a file is compressed when it is complete".into()
            );
        }
        if text.contains('\0') || name.starts_with('.') {
            return Err("a name cannot hold NUL or begin with `.`, which marks files that grow".into());
        }
        Ok(Self(template))
    }

    /// The path of a message's file, with [`NUMBER`] where its number goes.
    pub(super) fn place(&self, address: &MessageAddress<'_>) -> String {
        let mut place = String::with_capacity(64);
        let days = address.time_ms.div_euclid(86_400_000);
        for part in self.0.parts() {
            match part {
                TemplatePart::Text(text) => place.push_str(text),
                TemplatePart::Place(PathPart::Name(name)) => push_level(&mut place, name.of(address)),
                TemplatePart::Place(PathPart::Date) => place.push_str(&date(days)),
                TemplatePart::Place(PathPart::Hour) => {
                    let hour = address.time_ms.div_euclid(3_600_000).rem_euclid(24);
                    place.push_str(&format!("{hour:02}"));
                }
                TemplatePart::Place(PathPart::Number) => place.push(NUMBER),
            }
        }
        place
    }

    /// The folder that all files lie below.
    pub(super) fn root(&self) -> PathBuf {
        let fixed = match self.0.parts().first() {
            Some(TemplatePart::Text(text)) => text.rsplit_once('/').map_or("", |(folder, _)| folder),
            _ => "",
        };
        let is_absolute =
            matches!(self.0.parts().first(), Some(TemplatePart::Text(text)) if text.starts_with('/'));
        if fixed.is_empty() { PathBuf::from(if is_absolute { "/" } else { "." }) } else { fixed.into() }
    }

    /// Whether a path fits this template, part by part.
    pub(super) fn fits(&self, path: &Path) -> bool {
        path.to_str().is_some_and(|path| fits(self.0.parts(), path.strip_prefix("./").unwrap_or(path)))
    }
}

fn fits(parts: &[TemplatePart<PathPart>], rest: &str) -> bool {
    let Some((part, parts)) = parts.split_first() else { return rest.is_empty() };
    match part {
        TemplatePart::Text(text) => rest.strip_prefix(text.as_str()).is_some_and(|rest| fits(parts, rest)),
        TemplatePart::Place(place) => {
            let is_digits = matches!(place, PathPart::Number | PathPart::Hour);
            let takes = |c: char| if is_digits { c.is_ascii_digit() } else { c != '/' };
            let ends = rest.char_indices().take_while(|(_, c)| takes(*c)).map(|(at, c)| at + c.len_utf8());
            ends.filter_map(|end| rest.get(end..)).any(|rest| fits(parts, rest))
        }
    }
}

/// The longest part of a level that a name makes (bytes): two of them and a number fit into the 255 of a file system.
const LEVEL_BYTES_MAX: usize = 110;

/// Appends a name as one level: neither hidden nor empty, without what separates levels, and not too long. A name that is
/// cut keeps its own place: its checksum follows.
fn push_level(place: &mut String, name: &str) {
    if name.is_empty() {
        return place.push_str("none");
    }
    if name.len() > LEVEL_BYTES_MAX {
        let start = name.char_indices().map(|(at, _)| at).take_while(|at| *at <= LEVEL_BYTES_MAX - 9).last();
        push_level(place, name.get(..start.unwrap_or(0)).unwrap_or_default());
        return place.push_str(&format!("~{:08x}", crc32fast::hash(name.as_bytes())));
    }
    let safe = |(at, c): (usize, char)| {
        if c == '/' || c.is_control() || (c == '.' && at == 0) { '_' } else { c }
    };
    place.extend(name.char_indices().map(safe));
}

/// The day since 1970-01-01 as YYYY-MM-DD, after H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013.
fn date(days: i64) -> String {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_message() {
        let template =
            PathTemplate::parse("out/kind={kind}/{date}T{hour}/{agent}.{series}-{n}.jsonl").unwrap();
        let [agent, kind, stream, series] = ["g7", "summary", "", "../b/temp"].map(Into::into);
        let address = MessageAddress { agent, kind, stream, series, time_ms: 1_709_168_400_000 };
        let place = template.place(&address);
        assert_eq!(place, "out/kind=summary/2024-02-29T01/g7._._b_temp-\0.jsonl");
        assert_eq!(template.root(), Path::new("out"));
        for n in [0, 7, 12_345] {
            assert!(template.fits(Path::new(&place.replace(NUMBER, &n.to_string()))));
        }
        for foreign in [place.as_str(), "out/kind=x/y/z-1.jsonl", "out/a-1.jsonl", "other"] {
            assert!(!template.fits(Path::new(foreign)), "{foreign}");
        }
        let address = MessageAddress { time_ms: -1, ..address };
        assert!(template.place(&address).contains("/1969-12-31T23/"));
        assert_eq!(PathTemplate::parse("/{n}").unwrap().root(), Path::new("/"));
        assert_eq!(PathTemplate::parse("{n}").unwrap().root(), Path::new("."));
    }

    /// File systems take 255 bytes: a longer name would stop the output for ever.
    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let template = PathTemplate::parse("out/{stream}-{series}-{n}.jsonl").unwrap();
        let long = "ä".repeat(600);
        let places = ["a", "b"].map(|end| {
            let series = format!("{long}{end}");
            let [agent, kind, stream, series] = ["g7", "summary", &long, series.as_str()].map(Into::into);
            template.place(&MessageAddress { agent, kind, stream, series, time_ms: 0 })
        });
        assert_ne!(places[0], places[1]);
        for place in places {
            assert!(place.split('/').all(|level| level.len() < 240), "{place}");
            assert!(template.fits(Path::new(&place.replace(NUMBER, "7"))));
        }
    }

    #[test]
    fn bad_paths_say_what_would_be_right() {
        for (bad, word) in [
            ("a/b", "{n}"),
            ("{n}/b", "{n}"),
            ("a/{m}", "unknown"),
            ("a/.{n}", "begin with"),
            ("a/{n}.gz", "gzip = true"),
        ] {
            assert!(PathTemplate::parse(bad).unwrap_err().contains(word), "{bad}");
        }
    }
}
