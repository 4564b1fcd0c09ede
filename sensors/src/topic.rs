//! Topic templates: MQTT filters whose `+` may have a name, `greenhouse/{zone}/climate`, which becomes a label.
//!
//! MQTT 3.1.1 §4.7 and MQTT 5 §4.8.2 (`$share/GROUP/FILTER`). Each capture costs an allocation, once per topic:
//! decoders remember the labels of a topic.

use std::collections::HashSet;

const FILTER_BYTES_MAX: usize = 65_535;
const SHARE: &str = "$share/";

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTemplate {
    filter: String,
    levels: Vec<Level>,
    /// Whether a key may follow a topic.
    has_key: bool,
}

/// What stands between a topic and a key that name a payload together.
pub(crate) const KEY_FOLLOWS: char = '\0';

/// The name that stands for the key in names and labels.
pub(crate) const KEY: &str = "key";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Text(String),
    Any,
    Label(String),
    Rest,
}

/// A mistake in a template, and the way out.
#[derive(Debug, PartialEq, Eq)]
pub struct TopicError {
    /// The mistake. Lower case, no full stop.
    pub what: String,
    /// The way out.
    pub fix: &'static str,
}

impl TopicTemplate {
    /// Reads `level/{label}/+/#`, perhaps after `$share/group/`.
    ///
    /// # Errors
    /// The first thing that MQTT or this program does not allow.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        let refuse = |why: &str, fix| Err(TopicError { what: format!("`{}` {why}", shortened(text)), fix });
        let (share, pattern) = split_share(text)?;
        if pattern.is_empty() {
            return refuse("is empty", "write a topic filter such as \"sensors/+/temp\" or \"#\"");
        }
        if text.contains('\0') {
            return refuse("holds a NUL", "leave it out: MQTT forbids it");
        }
        let levels =
            pattern.split('/').map(|level| Level::parse(text, level)).collect::<Result<Vec<_>, _>>()?;
        let rest = levels.iter().position(|level| *level == Level::Rest);
        if rest.is_some_and(|at| at + 1 != levels.len()) {
            return refuse("goes on after `#`", "`#` stands for everything below, so it comes last");
        }
        let mut seen = HashSet::new();
        if let Some(twice) = levels.iter().filter_map(Level::label).find(|name| !seen.insert(*name)) {
            return refuse(&format!("has the label `{twice}` twice"), "give each level a label of its own");
        }
        let filter = share.to_owned() + &levels.iter().map(Level::in_filter).collect::<Vec<_>>().join("/");
        if filter.len() > FILTER_BYTES_MAX {
            return refuse("is too long", "MQTT allows 65535 bytes");
        }
        Ok(Self { filter, levels, has_key: false })
    }

    /// A template that matches one topic only, whatever characters it contains.
    pub(crate) fn literal(topic: &str) -> Self {
        let levels = topic.split('/').map(|level| Level::Text(level.to_owned())).collect();
        Self { filter: topic.to_owned(), levels, has_key: false }
    }

    /// A template that matches one topic only, which has no levels. A key may follow it behind [`KEY_FOLLOWS`].
    #[cfg(feature = "kafka")]
    pub(crate) fn keyed(topic: &str) -> Self {
        Self { filter: topic.to_owned(), levels: vec![Level::Text(topic.to_owned())], has_key: true }
    }

    /// Whether a key may follow a topic.
    pub(crate) fn has_key(&self) -> bool {
        self.has_key
    }

    /// The names that stand for a part of a topic: its labels, and its key.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.labels().chain(self.has_key.then_some(KEY))
    }

    /// The filter to subscribe to.
    #[must_use]
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// The names of its labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(Level::label)
    }

    /// The labels of a topic, in the template's order, and its key; `None` if the filter does not match it.
    #[must_use]
    pub fn capture(&self, topic: &str) -> Option<Vec<(String, String)>> {
        let mut captured = Vec::new();
        if self.has_key {
            let (topic, key) = topic.split_once(KEY_FOLLOWS).unwrap_or((topic, ""));
            return (topic == self.filter).then(|| vec![(KEY.to_owned(), key.to_owned())]);
        }
        let mut parts = topic.split('/');
        for (depth, level) in self.levels.iter().enumerate() {
            // Wildcards at the start do not match the broker's own topics.
            let own = depth == 0 && topic.starts_with('$');
            match (level, parts.next()) {
                (Level::Rest, part) => return (!(own && part.is_some())).then_some(captured),
                (_, None) => return None,
                (Level::Text(text), Some(part)) if text != part => return None,
                (Level::Any | Level::Label(_), Some(_)) if own => return None,
                (Level::Label(name), Some(part)) => captured.push((name.clone(), part.to_owned())),
                (Level::Text(_) | Level::Any, Some(_)) => {}
            }
        }
        parts.next().is_none().then_some(captured)
    }

    /// Whether its first level is a text.
    pub(crate) fn begins_with_text(&self) -> bool {
        matches!(self.levels.first(), Some(Level::Text(_)))
    }

    /// Whether it matches every topic that the other one matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let mut others = other.levels.iter();
        for level in &self.levels {
            match (level, others.next()) {
                (Level::Rest, _) => return true,
                (Level::Text(a), Some(Level::Text(b))) if a == b => {}
                (Level::Any | Level::Label(_), Some(Level::Text(_) | Level::Any | Level::Label(_))) => {}
                _ => return false,
            }
        }
        others.next().is_none()
    }

    /// Whether any topic matches both, so that the broker may send its messages twice.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut pairs = self.levels.iter().zip(&other.levels);
        let apart = |(a, b): (&Level, &Level)| match (a, b) {
            (Level::Rest, _) | (_, Level::Rest) => Some(true),
            (Level::Text(a), Level::Text(b)) if a != b => Some(false),
            _ => None,
        };
        if let Some(answer) = pairs.find_map(apart) {
            return answer;
        }
        // `a/#` matches `a` as well.
        let (short, long) =
            if self.levels.len() < other.levels.len() { (self, other) } else { (other, self) };
        let more = long.levels.get(short.levels.len()..).unwrap_or_default();
        more.is_empty() || matches!(more, [Level::Rest])
    }
}

impl Level {
    fn parse(text: &str, level: &str) -> Result<Self, TopicError> {
        let refuse = |why: String, fix| Err(TopicError { what: format!("`{}` {why}", shortened(text)), fix });
        match level {
            "+" => return Ok(Self::Any),
            "#" => return Ok(Self::Rest),
            _ => {}
        }
        if let Some(name) = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            return match name {
                "topic" | "field" => refuse(
                    format!("has a label `{name}`, which `series` uses for something else"),
                    "give the label another name",
                ),
                name if is_name(name) => Ok(Self::Label(name.to_owned())),
                _ => refuse(
                    format!("has a label `{}`", shortened(name)),
                    "label names have letters, digits and _, and start with a letter",
                ),
            };
        }
        let fix = "a wildcard or label fills its level: write a/+/b, a/{name}/b or a/#";
        match level.chars().find(|c| "+#{}".contains(*c)) {
            Some(c) => {
                refuse(format!("has `{c}` beside other text in the level `{}`", shortened(level)), fix)
            }
            None => Ok(Self::Text(level.to_owned())),
        }
    }

    fn label(&self) -> Option<&str> {
        if let Self::Label(name) = self { Some(name) } else { None }
    }

    fn in_filter(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Any | Self::Label(_) => "+",
            Self::Rest => "#",
        }
    }
}

/// `$share/group/` (or nothing) and the filter proper.
fn split_share(text: &str) -> Result<(&str, &str), TopicError> {
    let Some(shared) = text.strip_prefix(SHARE) else { return Ok(("", text)) };
    match shared.split_once('/') {
        Some((group, pattern)) if !group.is_empty() && !group.contains(['+', '#', '{', '}']) => {
            Ok(text.split_at(text.len() - pattern.len()))
        }
        _ => Err(TopicError {
            what: format!("`{}` is not a shared subscription", shortened(text)),
            fix: "write $share/GROUP/FILTER, the group without wildcards",
        }),
    }
}

/// Whether a label may have this name.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Cuts a text to 60 characters, for a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn capture(template: &str, topic: &str) -> Option<Vec<(String, String)>> {
        TopicTemplate::parse(template).unwrap().capture(topic)
    }

    #[test]
    fn templates_become_filters_and_capture_labels() {
        let template = TopicTemplate::parse("greenhouse/{zone}/climate").unwrap();
        assert_eq!(template.filter(), "greenhouse/+/climate");
        let labels = template.capture("greenhouse/bed1/climate").unwrap();
        assert_eq!(labels, [("zone".to_owned(), "bed1".to_owned())]);
        assert_eq!(template.capture("greenhouse/bed1/climate/x"), None);
        assert_eq!(template.capture("greenhouse/bed1"), None);
        let shared = TopicTemplate::parse("$share/g/a/{x}/#").unwrap();
        assert_eq!(shared.filter(), "$share/g/a/+/#");
        assert_eq!(shared.capture("a/b/c/d").unwrap(), [("x".to_owned(), "b".to_owned())]);
        assert_eq!(shared.labels().collect::<Vec<_>>(), ["x"]);
    }

    /// MQTT 3.1.1 §4.7.1.2 and §4.7.2, the spec's own examples.
    #[test]
    fn matching_follows_the_specification() {
        for (template, topic, matches) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/uptime", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("a/b", "a/b", true),
            ("a/b", "a/B", false),
        ] {
            assert_eq!(capture(template, topic).is_some(), matches, "{template} {topic}");
        }
    }

    #[test]
    fn mistakes_name_the_way_out() {
        for (bad, why) in [
            ("", "is empty"),
            ("$share/g/", "is empty"),
            ("a/#/b", "goes on after `#`"),
            ("a#", "`#` beside other text"),
            ("a/b+", "`+` beside other text"),
            ("a/x{y}", "`{` beside other text"),
            ("a/{x", "`{` beside other text"),
            ("a/{}", "has a label ``"),
            ("a/{1x}", "has a label `1x`"),
            ("a/{topic}", "uses for something else"),
            ("{x}/{x}", "label `x` twice"),
            ("a\0", "holds a NUL"),
            ("$share/g", "not a shared subscription"),
            ("$share/+/a", "not a shared subscription"),
        ] {
            let error = TopicTemplate::parse(bad).unwrap_err();
            assert!(error.what.contains(why), "{bad}: {error:?}");
        }
        assert!(TopicTemplate::parse(&"a".repeat(65_536)).unwrap_err().what.len() < 200);
    }

    #[test]
    fn overlaps_are_found() {
        let overlap =
            |a: &str, b: &str| TopicTemplate::parse(a).unwrap().overlaps(&TopicTemplate::parse(b).unwrap());
        for (a, b, expected) in [
            ("a/+", "a/b", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "+/b", true),
            ("a/b", "a/c", false),
            ("a/+", "a/b/c", false),
            ("a/+/c", "a/b/d", false),
            ("#", "x", true),
        ] {
            assert_eq!((overlap(a, b), overlap(b, a)), (expected, expected), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_filter_matches_as_its_template(
            template in "[a{}+#$/x\\PC]{0,12}", topic in "[ab$/\\PC]{0,12}"
        ) {
            if let Ok(parsed) = TopicTemplate::parse(&template) {
                let captured = parsed.capture(&topic);
                let as_filter = TopicTemplate::parse(parsed.filter()).unwrap().capture(&topic);
                prop_assert_eq!(captured.is_some(), as_filter.is_some());
                prop_assert!(parsed.overlaps(&parsed));
            }
        }
    }
}
