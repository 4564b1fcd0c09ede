//! Suggestions for unknown names.

use super::functions::{OF_MATH, PLAIN};
use crate::ast::SpannedName;
use crate::error::CompileError;
use headwater_settings::nearest;
use std::ops::Range;

const VARIABLES: [&str; 4] = ["value", "series", "labels", "time"];

/// Functions that CEL has and this subset lacks, and functions of other languages, with what to write instead.
const INSTEAD: [(&str, &str); 22] = [
    ("matches", "use startsWith, endsWith or contains: regular expressions are left out"),
    ("string", "compare numbers, as in double(labels.n) == value: strings cannot be made here"),
    ("bool", "compare, as in labels.on == \"true\""),
    ("uint", "use int()"),
    ("bytes", "use the string itself"),
    ("type", "leave it out: all types are known"),
    ("dyn", "leave it out: all types are known"),
    ("duration", "calculate in seconds, as in int(time) % 3600 < 600"),
    ("all", "write comparisons with &&: macros over lists are left out"),
    ("exists", "write comparisons with ||: macros over lists are left out"),
    ("exists_one", "write comparisons out: macros over lists are left out"),
    ("map", "write the elements out: macros over lists are left out"),
    ("filter", "write the elements out: macros over lists are left out"),
    ("lowerAscii", "write both spellings, as in labels.zone in [\"A\", \"a\"]"),
    ("upperAscii", "write both spellings, as in labels.zone in [\"A\", \"a\"]"),
    ("min", "write math.least(a, b)"),
    ("max", "write math.greatest(a, b)"),
    ("pow", "write the product out, as in value * value"),
    ("now", "use time, the reading's own"),
    ("len", "write size()"),
    ("length", "write size()"),
    ("float", "write double()"),
];

pub(super) fn name(name: &str, span: &Range<usize>) -> CompileError {
    let fix = match nearest(name, VARIABLES) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!("there are value, series, labels and time; a label is labels.{name}, text is in quotes")
        }
    };
    CompileError::new(span, format!("`{name}` is not known"), fix)
}

pub(super) fn function(name: &SpannedName) -> CompileError {
    let fix = if OF_MATH.contains(&name.text.as_str()) {
        format!("write math.{}()", name.text)
    } else {
        instead(&name.text).unwrap_or_else(|| among(&name.text, "", &PLAIN))
    };
    CompileError::new(&name.span, format!("there is no function {}()", name.text), fix)
}

pub(super) fn math(name: &SpannedName) -> CompileError {
    let fix = instead(&name.text).unwrap_or_else(|| among(&name.text, "math.", &OF_MATH));
    CompileError::new(&name.span, format!("there is no function math.{}()", name.text), fix)
}

/// The error at a function that a type does not have; `known` are those it has.
pub(super) fn method<const N: usize>(name: &SpannedName, of: &str, known: [&'static str; N]) -> CompileError {
    let plain = PLAIN.contains(&name.text.as_str());
    let fix = match instead(&name.text) {
        Some(fix) => fix,
        None if plain => format!("write {}(…) around it", name.text),
        None if OF_MATH.contains(&name.text.as_str()) => format!("write math.{}(…) around it", name.text),
        None if N == 0 => "it has none; the math functions are called as in math.abs(value)".to_owned(),
        None => among(&name.text, "", &known),
    };
    CompileError::new(&name.span, format!("{of} has no function {}()", name.text), fix)
}

fn instead(name: &str) -> Option<String> {
    INSTEAD.iter().find(|(known, _)| *known == name).map(|(_, fix)| (*fix).to_owned())
}

fn among(name: &str, prefix: &str, known: &[&'static str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {prefix}{near}()?"),
        None => format!("there are {prefix}{}", known.join(&format!(", {prefix}"))),
    }
}
