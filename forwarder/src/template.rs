//! Templates of places in a config: `headwater/{agent}/{kind}`, `out/{date}/{agent}-{n}`.

use crate::MessageAddress;

/// A placeholder: its word, and what it means to the template's owner.
pub(crate) type KnownPlaceholder<P> = (&'static str, P);

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputTemplate<P>(Vec<TemplatePart<P>>);

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TemplatePart<P> {
    Text(String),
    Place(P),
}

impl<P: Copy + PartialEq> OutputTemplate<P> {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub(crate) fn parse(template: &str, known: &[KnownPlaceholder<P>]) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), template);
        while let Some((text, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else {
                return Err(format!("`{{` is never closed; write {}", listed(known)));
            };
            if !text.is_empty() {
                parts.push(TemplatePart::Text(text.to_owned()));
            }
            match known.iter().find(|(word, _)| *word == name) {
                Some((_, place)) => parts.push(TemplatePart::Place(*place)),
                None => return Err(format!("{{{name}}} is unknown; write {}", listed(known))),
            }
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(TemplatePart::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    pub(crate) fn parts(&self) -> &[TemplatePart<P>] {
        &self.0
    }

    pub(crate) fn has(&self, place: P) -> bool {
        self.0.contains(&TemplatePart::Place(place))
    }
}

fn listed<P>(known: &[KnownPlaceholder<P>]) -> String {
    let words: Vec<String> = known.iter().map(|(word, _)| format!("{{{word}}}")).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// The parts of a [`MessageAddress`], as placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressPart {
    Agent,
    Kind,
    Stream,
    Series,
}

impl AddressPart {
    pub(crate) const ALL: [KnownPlaceholder<Self>; 4] =
        [("agent", Self::Agent), ("kind", Self::Kind), ("stream", Self::Stream), ("series", Self::Series)];

    pub(crate) fn of<'a>(self, address: &'a MessageAddress<'_>) -> &'a str {
        match self {
            Self::Agent => &address.agent,
            Self::Kind => &address.kind,
            Self::Stream => &address.stream,
            Self::Series => &address.series,
        }
    }
}
