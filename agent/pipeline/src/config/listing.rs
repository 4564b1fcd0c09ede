//! What the parameters of a detector are, for people: those that the config gives, then the defaults.

use headwater_kernel::detect::{Parameter, ParameterKind, ParameterPresence, Parameters};
use headwater_settings::format_duration;

/// What a doc says of an optional parameter that is not given.
const LEFT_OUT: &str = "; left out: ";

/// Every parameter with its number and unit: `above 35 (of the series), for 30s; by default clear_for 0s`.
pub(super) fn listing(known: impl Iterator<Item = &'static Parameter>, given: &Parameters) -> String {
    let (mut own, mut usual) = (Vec::new(), Vec::new());
    for parameter in known {
        match (given.get(parameter.name), default_of(parameter)) {
            (Some(number), _) => own.push(shown(parameter, &figure(parameter, number))),
            (None, Some(default)) => usual.push(shown(parameter, &default)),
            (None, None) => {}
        }
    }
    let usual = if usual.is_empty() { String::new() } else { format!("by default {}", usual.join(", ")) };
    let parts = [own.join(", "), usual];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What a parameter means, with its unit and its default.
pub(super) fn meaning(parameter: &Parameter) -> String {
    let unit = if parameter.unit == "time" { String::new() } else { format!(" [{}]", parameter.unit) };
    let default = match (parameter.doc.contains(LEFT_OUT), default_of(parameter)) {
        (false, Some(default)) => format!("; default: {default}"),
        _ => String::new(),
    };
    format!("{}{unit}{default}", parameter.doc)
}

fn shown(parameter: &Parameter, value: &str) -> String {
    let (name, unit) = (parameter.name, parameter.unit);
    if value.contains(' ') {
        return format!("{name}: {value}");
    }
    if parameter.kind == ParameterKind::Duration || name == unit {
        return format!("{name} {value}");
    }
    format!("{name} {value} ({unit})")
}

/// The number, or the words, that a parameter has where it is not given; `None`: there is no such thing.
fn default_of(parameter: &Parameter) -> Option<String> {
    match parameter.presence {
        ParameterPresence::Required => None,
        ParameterPresence::Optional => parameter.doc.split_once(LEFT_OUT).map(|(_, words)| words.to_owned()),
        ParameterPresence::Default(number) => Some(figure(parameter, number)),
    }
}

fn figure(parameter: &Parameter, number: f64) -> String {
    match parameter.kind {
        ParameterKind::Duration => format_duration(number as i64),
        ParameterKind::Choice(words) => words.get(number as usize).copied().unwrap_or_default().to_owned(),
        ParameterKind::Flag => (number != 0.0).to_string(),
        ParameterKind::Number | ParameterKind::Integer => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_kernel::detect::{Alarm, KINDS, ROW_PARAMETERS};

    /// The guide's row of a parameter.
    fn row(of: &str, parameter: &Parameter) -> String {
        let default = default_of(parameter).unwrap_or_else(|| match parameter.presence {
            ParameterPresence::Required => "required".to_owned(),
            _ => "none".to_owned(),
        });
        let meaning = parameter.doc.split(LEFT_OUT).next().unwrap_or_default();
        format!("| {of} | `{}` | {} | {default} | {meaning} |", parameter.name, parameter.unit)
    }

    /// The guide says the unit and the default of every parameter of every detector.
    #[test]
    fn the_guide_has_every_parameter() {
        let guide = include_str!("../../../README.md");
        let own =
            KINDS.iter().flat_map(|kind| kind.parameters.iter().map(|p| row(&format!("`{}`", kind.name), p)));
        let of_all = Alarm::PARAMETERS.iter().map(|parameter| row("all", parameter));
        let of_groups = ROW_PARAMETERS.iter().map(|parameter| row("with `over`", parameter));
        let missing: Vec<String> =
            own.chain(of_groups).chain(of_all).filter(|row| !guide.lines().any(|line| line == row)).collect();
        assert!(missing.is_empty(), "agent/README.md lacks\n{}", missing.join("\n"));
    }

    #[test]
    fn what_is_given_comes_before_what_is_usual() {
        let kind = |name: &str| KINDS.iter().find(|kind| kind.name == name).unwrap().parameters.iter();
        let mut given = Parameters::new();
        assert_eq!(listing(kind("missing"), &given), "by default after: five times the longest usual wait");
        given.set("above", 35.0).unwrap();
        assert_eq!(
            listing(kind("hampel"), &given),
            "above 35 (robust standard deviations); by default readings 31, noise 0 (of the series)"
        );
        given.set("for", 30_000.0).unwrap();
        assert_eq!(
            listing(Alarm::PARAMETERS.iter(), &given),
            "for 30s; by default clear_for 0s, cooldown 0s, per_hour 12 (alerts an hour)"
        );
        assert_eq!(listing([].into_iter(), &given), "");
    }
}
