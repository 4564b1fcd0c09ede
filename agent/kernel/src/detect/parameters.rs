//! Parameters of detectors, declared so that a config can read them without knowing any detector.

use crate::OutOfRange;

/// The most parameters of one detector, including those of the alert.
pub const PARAMETERS_MAX: usize = 16;

/// The meaning of a parameter's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterKind {
    /// A number in [`Parameter::unit`].
    Number,
    /// A duration; its number is in milliseconds.
    Duration,
    /// A count.
    Integer,
    /// Yes or no; its number is 1 or 0.
    Flag,
    /// One of these words; the number is the word's index.
    Choice(&'static [&'static str]),
}

/// Whether a parameter must be given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterPresence {
    /// It must be given.
    Required,
    /// It may be left out.
    Optional,
    /// If left out, it has this value.
    Default(f64),
}

/// One parameter of a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in the config.
    pub name: &'static str,
    /// The meaning of its number.
    pub kind: ParameterKind,
    /// Whether it must be given.
    pub presence: ParameterPresence,
    /// Its unit, in words.
    pub unit: &'static str,
    /// Its effect, in one line.
    pub doc: &'static str,
}

impl Parameter {
    /// A required number in the unit of the series.
    #[must_use]
    pub const fn number(name: &'static str, doc: &'static str) -> Self {
        let (kind, presence) = (ParameterKind::Number, ParameterPresence::Required);
        Self { name, kind, presence, unit: "of the series", doc }
    }

    /// A required duration.
    #[must_use]
    pub const fn duration(name: &'static str, doc: &'static str) -> Self {
        Self { kind: ParameterKind::Duration, unit: "time", ..Self::number(name, doc) }
    }

    /// A required count of readings.
    #[must_use]
    pub const fn integer(name: &'static str, doc: &'static str) -> Self {
        Self { kind: ParameterKind::Integer, unit: "readings", ..Self::number(name, doc) }
    }

    /// The same parameter, in another unit.
    #[must_use]
    pub const fn measured_in(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The same parameter, optional.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { presence: ParameterPresence::Optional, ..self }
    }

    /// The same parameter, with a default.
    #[must_use]
    pub const fn or(self, default: f64) -> Self {
        Self { presence: ParameterPresence::Default(default), ..self }
    }
}

/// The given parameters, by name.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    given: heapless::Vec<(&'static str, f64), PARAMETERS_MAX>,
}

impl Parameters {
    /// No parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self { given: heapless::Vec::new() }
    }

    /// Sets a parameter, replacing an earlier value.
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

    /// A given parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// Completes the given parameters with the defaults that `declared` lists.
    ///
    /// # Errors
    /// [`OutOfRange`] names the first one that is required and missing.
    pub fn complete(&self, declared: &'static [Parameter]) -> Result<CompleteParameters, OutOfRange> {
        let missing = |parameter: &&Parameter| {
            parameter.presence == ParameterPresence::Required && self.get(parameter.name).is_none()
        };
        match declared.iter().find(missing) {
            Some(parameter) => Err(OutOfRange::new(parameter.name, "is missing")),
            None => Ok(CompleteParameters { declared, given: self.clone() }),
        }
    }
}

/// The declared parameters of one detector: every required one was given, and defaults stand in for the others.
///
/// Reading a parameter that is not declared, or not declared that way, is a mistake in the program: tests stop, and a
/// release reads a value that no detector accepts.
#[derive(Clone, Debug)]
pub struct CompleteParameters {
    declared: &'static [Parameter],
    given: Parameters,
}

impl CompleteParameters {
    /// A parameter that is required or has a default.
    #[must_use]
    pub fn number(&self, name: &str) -> f64 {
        let default =
            self.declared.iter().find(|parameter| parameter.name == name).map(|known| known.presence);
        match (default, self.given.get(name)) {
            (Some(ParameterPresence::Required | ParameterPresence::Default(_)), Some(given)) => given,
            (Some(ParameterPresence::Default(default)), None) => default,
            _ => {
                debug_assert!(false, "`{name}` is not declared as required or with a default");
                f64::NAN
            }
        }
    }

    /// A count that is required or has a default.
    #[must_use]
    pub fn whole(&self, name: &str) -> u32 {
        self.number(name) as u32
    }

    /// A duration that is required or has a default, in milliseconds.
    #[must_use]
    pub fn ms(&self, name: &str) -> i64 {
        self.number(name) as i64
    }

    /// A parameter that is declared as optional.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<f64> {
        debug_assert!(
            self.declared
                .iter()
                .any(|known| known.name == name && known.presence == ParameterPresence::Optional),
            "`{name}` is not declared as optional"
        );
        self.given.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::{OutOfRange, Parameter, Parameters};

    const DECLARED: &[Parameter] = &[
        Parameter::number("a", "required"),
        Parameter::number("b", "with a default").or(2.0),
        Parameter::number("c", "optional").optional(),
    ];

    #[test]
    fn defaults_fill_in_and_what_is_missing_is_named() {
        let mut given = Parameters::new();
        assert_eq!(given.complete(DECLARED).unwrap_err(), OutOfRange::new("a", "is missing"));
        given.set("a", 0.5).unwrap();
        given.set("a", 1.0).unwrap();
        let complete = given.complete(DECLARED).unwrap();
        assert_eq!((complete.number("a"), complete.ms("b"), complete.optional("c")), (1.0, 2, None));
        given.set("b", 3.0).unwrap();
        given.set("c", 4.0).unwrap();
        let complete = given.complete(DECLARED).unwrap();
        assert_eq!((complete.whole("b"), complete.optional("c")), (3, Some(4.0)));
        assert_eq!(given.set("b", f64::NAN).unwrap_err().parameter, "b");
    }

    #[test]
    #[should_panic(expected = "`c` is not declared as required or with a default")]
    fn an_optional_parameter_has_no_number_to_fall_back_on() {
        let mut given = Parameters::new();
        given.set("a", 1.0).unwrap();
        assert!(given.complete(DECLARED).unwrap().number("c").is_nan());
    }
}
