//! The unit of a series. It stands among the labels, so that whatever stores labels stores it too: checkpoints, the
//! journal, the buffer. Its key is one that no label can have, because names from outside hold no control character.

use crate::event::Labels;
use std::borrow::Cow;

const KEY: &str = "\u{1}unit";

/// The labels with a unit.
#[must_use]
pub fn with_unit(labels: &[(String, String)], unit: Option<String>) -> Cow<'_, [(String, String)]> {
    match unit {
        None => Cow::Borrowed(labels),
        Some(unit) => Cow::Owned([labels, &[(KEY.to_owned(), unit)]].concat()),
    }
}

/// The unit, if it is known.
#[must_use]
pub fn of(labels: &[(String, String)]) -> Option<&str> {
    labels.iter().find(|(key, _)| key == KEY).map(|(_, unit)| unit.as_str())
}

/// The labels without the unit.
pub(crate) fn without(labels: &Labels) -> Labels {
    if of(labels).is_none() { labels.clone() } else { named(labels).cloned().collect() }
}

/// The labels that have names.
pub fn named(labels: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    labels.iter().filter(|(key, _)| key != KEY)
}

/// The labels as a series goes on with them: those that it has, and the unit that is `said` of it now.
pub(crate) fn updated(labels: &Labels, said: &[(String, String)]) -> Option<Labels> {
    let unit = of(said).filter(|unit| of(labels) != Some(unit))?;
    let own: Vec<_> = named(labels).cloned().collect();
    Some(with_unit(&own, Some(unit.to_owned())).as_ref().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_no_label_and_the_last_word_counts() {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let own = [label("zone", "a"), label("unit", "5")];
        assert!(matches!(with_unit(&own, None), Cow::Borrowed(_)));
        let measured = with_unit(&own, Some("°C".to_owned())).into_owned();
        assert_eq!((of(&own), of(&measured)), (None, Some("°C")));
        assert_eq!(named(&measured).cloned().collect::<Vec<_>>(), own);
        let labels: Labels = own.as_slice().into();
        assert_eq!(updated(&labels, &own), None);
        let learnt = updated(&labels, &measured).unwrap();
        assert_eq!(
            (of(&learnt), updated(&learnt, &measured), updated(&learnt, &own)),
            (Some("°C"), None, None)
        );
        let kelvin = updated(&learnt, &with_unit(&[], Some("K".to_owned()))).unwrap();
        assert_eq!((of(&kelvin), kelvin.len()), (Some("K"), 3));
        assert_eq!((without(&kelvin), without(&labels)), (labels.clone(), labels));
    }
}
