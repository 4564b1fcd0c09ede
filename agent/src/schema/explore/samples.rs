//! The samples: configs to begin with, and the meaning of keys, which their comments say.

use headwater_forwarder::OUTPUTS;
use headwater_sensors::{FORMATS, SOURCES};
use std::collections::BTreeSet;

/// The sample of a whole config.
const WHOLE: &str = include_str!("../../../../systemd/headwater.toml");

/// A key with its comment, which may be empty.
struct Line {
    /// The keys of the tables on the way, such as `sources` or `streams`, `detectors`; names that a config chooses left out.
    path: Vec<String>,
    /// What the table is, as its `type` says.
    kind: Option<String>,
    key: String,
    comment: String,
}

/// All samples that the program has.
pub(super) struct Samples {
    texts: Vec<String>,
    lines: Vec<Line>,
}

impl Samples {
    pub(super) fn read() -> Self {
        // Keys of a format stand in a source.
        let first = SOURCES.first().map_or("", |kind| kind.sample);
        let mut texts: Vec<String> = SOURCES.iter().map(|kind| kind.sample.to_owned()).collect();
        texts.extend(OUTPUTS.iter().map(|kind| kind.sample.to_owned()));
        texts.extend(FORMATS.iter().map(|kind| format!("{first}{}", kind.sample)));
        texts.push(WHOLE.to_owned());
        let lines = texts.iter().flat_map(|text| lines(text)).collect();
        Self { texts, lines }
    }

    /// The samples as configs: nothing, each as it is, and with all that stands in its comments.
    pub(super) fn configs(&self) -> Vec<String> {
        let all = self.texts.iter().flat_map(|text| [text.clone(), uncommented(text)]);
        // The authorities of TLS are many, and reading them a thousand times takes seconds.
        all.chain([String::new()])
            .map(|text| text.replace("mqtts://", "mqtt://").replace("https://", "http://"))
            .map(|text| text.replace("tls = true", "tls = false"))
            .collect()
    }

    /// Whether the sample of a whole config shows a key of a table, of a kind where there are several.
    pub(super) fn shows(table: &str, kind: Option<&str>, key: &str) -> bool {
        let shown = lines(WHOLE);
        let is_here = |line: &&Line| line.path == [table] && (kind.is_none() || line.kind.as_deref() == kind);
        // A table has a header of its own.
        shown.iter().filter(is_here).any(|line| line.key == key)
            || shown.iter().any(|line| line.path == [table, key])
    }

    /// What a key means, as a sample's comment says: of the kind of table, or else of another one at the same place.
    pub(super) fn meaning(&self, place: &super::Place<'_>, key: &str) -> Option<&str> {
        let kind = place.last().and_then(|(_, kind)| *kind);
        let is_here = |line: &&Line| {
            !line.comment.is_empty()
                && line.key == key
                && line.path.iter().map(String::as_str).eq(place.iter().map(|(key, _)| *key))
        };
        let of_kind = self.lines.iter().filter(is_here).find(|line| line.kind.as_deref() == kind);
        of_kind.or_else(|| self.lines.iter().find(is_here)).map(|line| line.comment.as_str())
    }
}

/// The keys of a sample, those in its comments too.
fn lines(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut path = Vec::new();
    let mut kind = None;
    for line in text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)) {
        if let Some(header) = header(line) {
            path = header;
            kind = None;
        } else if let Some((key, value, comment)) = entry(line) {
            if key == "type" {
                kind = Some(value.trim_matches('"').to_owned());
            }
            let (key, comment) = (key.to_owned(), comment.to_owned());
            lines.push(Line { path: path.clone(), kind: kind.clone(), key, comment });
        }
    }
    lines
}

/// The sample with everything in it that stands in a comment, where it contradicts nothing.
fn uncommented(text: &str) -> String {
    let mut all = String::new();
    let mut known = BTreeSet::new();
    for line in text.lines() {
        let open = line.strip_prefix("# ").unwrap_or(line);
        if header(open).is_some() {
            known.clear();
        } else {
            match entry(open) {
                Some((key, ..)) if known.insert(key) => {}
                None if line.starts_with([' ', ']']) => {}
                _ => continue,
            }
        }
        all.push_str(open);
        all.push('\n');
    }
    all
}

/// The keys of a table's header, without the name that a config chooses.
fn header(line: &str) -> Option<Vec<String>> {
    let (inner, _) = line.strip_prefix('[')?.split_once(']')?;
    let keys = inner.trim_start_matches('[').split('.').enumerate();
    Some(keys.filter(|(at, _)| *at != 1).map(|(_, key)| key.to_owned()).collect())
}

/// A key, its value and its comment.
fn entry(line: &str) -> Option<(&str, &str, &str)> {
    let (key, rest) = line.split_once(" = ")?;
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return None;
    }
    let mut is_text = false;
    let mut before = b' ';
    let comment = rest.bytes().position(|byte| {
        is_text ^= byte == b'"' && before != b'\\';
        before = byte;
        byte == b'#' && !is_text
    });
    let (value, comment) = rest.split_at_checked(comment.unwrap_or(rest.len()))?;
    Some((key, value.trim(), comment.trim_start_matches('#').trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_belongs_to_its_key_and_a_number_sign_in_a_text_is_none() {
        let text = "[sources.a] # any\ntype = \"mqtt\"\n# topics = [\"a/#\"]  # filters # all\nqos = 1\n# text = that\n";
        let lines = lines(text);
        let comments: Vec<_> = lines.iter().map(|line| (line.key.as_str(), line.comment.as_str())).collect();
        assert_eq!(comments, [("type", ""), ("topics", "filters # all"), ("qos", ""), ("text", "")]);
        assert_eq!(
            (lines[1].path.as_slice(), lines[1].kind.as_deref()),
            (&["sources".to_owned()][..], Some("mqtt"))
        );
        assert_eq!(header("[[streams.a.detectors]]").unwrap(), ["streams", "detectors"]);
        let open = uncommented(text);
        assert!(open.contains("\ntopics = [\"a/#\"]") && !open.contains("any\nqos"), "{open}");
    }
}
