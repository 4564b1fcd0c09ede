//! Parameters of detectors, so that a config can fill them in without knowing any detector.

use crate::OutOfRange;

/// The most parameters one detector has, those of the alert's life included.
pub const PARAMETERS_MAX: usize = 16;

/// What a parameter's number means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterKind {
    /// A number [channel unit, or as its doc says].
    Number,
    /// A duration; its number is in milliseconds.
    Duration,
    /// A whole number of things.
    Integer,
    /// Yes or no; its number is 1 or 0.
    Flag,
    /// One of these words; its number is the word's place.
    Choice(&'static [&'static str]),
}

/// Whether a parameter must be given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterPresence {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
    /// Left out, it is this.
    Default(f64),
}

/// One parameter of a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in the config.
    pub name: &'static str,
    /// What its number means.
    pub kind: ParameterKind,
    /// Whether it must be given.
    pub presence: ParameterPresence,
    /// What it does, in one line.
    pub doc: &'static str,
}

impl Parameter {
    /// A number that must be given.
    #[must_use]
    pub const fn number(name: &'static str, doc: &'static str) -> Self {
        Self { name, kind: ParameterKind::Number, presence: ParameterPresence::Required, doc }
    }

    /// A duration that must be given.
    #[must_use]
    pub const fn duration(name: &'static str, doc: &'static str) -> Self {
        Self { kind: ParameterKind::Duration, ..Self::number(name, doc) }
    }

    /// A whole number that must be given.
    #[must_use]
    pub const fn integer(name: &'static str, doc: &'static str) -> Self {
        Self { kind: ParameterKind::Integer, ..Self::number(name, doc) }
    }

    /// The same, and it may be left out.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { presence: ParameterPresence::Optional, ..self }
    }

    /// The same, and left out it is this.
    #[must_use]
    pub const fn or(self, default: f64) -> Self {
        Self { presence: ParameterPresence::Default(default), ..self }
    }
}

/// Parameters that were given, by name.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    given: heapless::Vec<(&'static str, f64), PARAMETERS_MAX>,
}

impl Parameters {
    /// None given.
    #[must_use]
    pub const fn new() -> Self {
        Self { given: heapless::Vec::new() }
    }

    /// Gives a parameter, in place of what it was before.
    ///
    /// # Errors
    /// [`OutOfRange`] when the value is not finite, or there are more parameters than any detector has.
    pub fn set(&mut self, name: &'static str, value: f64) -> Result<(), OutOfRange> {
        if !value.is_finite() {
            return Err(OutOfRange::new(name, "must be a finite number"));
        }
        if let Some((_, present)) = self.given.iter_mut().find(|(given, _)| *given == name) {
            *present = value;
            return Ok(());
        }
        self.given.push((name, value)).map_err(|_| OutOfRange::new(name, "is one parameter too many"))
    }

    /// The parameter, where it was given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// The parameters that `wanted` lists, with its defaults for those that were left out.
    ///
    /// # Errors
    /// [`OutOfRange`] names the first one that is required and missing.
    pub fn complete(&self, wanted: &[Parameter]) -> Result<Self, OutOfRange> {
        let mut complete = Self::new();
        for parameter in wanted {
            match (self.get(parameter.name), parameter.presence) {
                (Some(value), _) | (None, ParameterPresence::Default(value)) => {
                    complete.set(parameter.name, value)?
                }
                (None, ParameterPresence::Optional) => {}
                (None, ParameterPresence::Required) => {
                    return Err(OutOfRange::new(parameter.name, "is missing"));
                }
            }
        }
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use super::{OutOfRange, Parameter, ParameterKind, ParameterPresence, Parameters};

    #[test]
    fn defaults_fill_in_and_what_is_missing_is_named() {
        const NAMES: [(&str, ParameterPresence); 3] = [
            ("a", ParameterPresence::Required),
            ("b", ParameterPresence::Default(2.0)),
            ("c", ParameterPresence::Optional),
        ];
        let wanted =
            NAMES.map(|(name, presence)| Parameter { name, kind: ParameterKind::Number, presence, doc: "" });
        let mut given = Parameters::new();
        assert_eq!(given.complete(&wanted).unwrap_err(), OutOfRange::new("a", "is missing"));
        given.set("a", 0.5).unwrap();
        given.set("a", 1.0).unwrap();
        let complete = given.complete(&wanted).unwrap();
        assert_eq!(["a", "b", "c"].map(|name| complete.get(name)), [Some(1.0), Some(2.0), None]);
        assert_eq!(given.set("b", f64::NAN).unwrap_err().parameter, "b");
    }
}
