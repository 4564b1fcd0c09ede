//! Conditions over the fields of records.

use headwater_expression::FieldValue::{self, Bool, Missing, Number, Text};
use headwater_expression::{EvalError, Expression, Input};

const FIELDS: [(&str, FieldValue<'static>); 7] = [
    ("quality", Text("good")),
    ("ok", Bool(true)),
    ("v", Number(21.5)),
    ("count", Text("7")),
    ("meta/state", Text("TRUE")),
    ("values/0", Number(1.0)),
    ("a b", Number(2.0)),
];

fn judge(text: &str) -> Result<bool, EvalError> {
    let program = Expression::compile_for_records(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let value =
        |path: &String| FIELDS.iter().find(|(known, _)| known == path).map_or(Missing, |(_, value)| *value);
    let values: Vec<FieldValue<'_>> = program.fields().iter().map(value).collect();
    program.filter(&Input::of_record(&values))
}

#[test]
fn a_field_has_the_type_that_its_place_needs() {
    for text in [
        "quality == \"good\"",
        "\"bad\" != quality",
        "quality in [\"good\", \"fair\"]",
        "quality.startsWith(\"go\") && size(quality) == 4",
        "ok",
        "ok == true && !(ok == false)",
        "ok == 1",
        "v > 20",
        "v * 2.0 - 1 < 43.0",
        "-v < 0",
        "v in [21.5, 3]",
        "math.abs(v) >= 21.5 && double(v) == 21.5 && int(v) == 21",
        "count == 7 && count > 6.5",
        "meta.state",
        "values[0] == 1 && record[\"a b\"] == 2 && record.v > 1",
        "has(meta.state) && !has(meta.gone) && !has(gone)",
        "has(gone) && gone > 1 || ok",
        "(ok ? v : 0.0) > 20.0",
    ] {
        assert_eq!(judge(text), Ok(true), "{text}");
    }
}

#[test]
fn what_is_not_there_or_of_another_type_is_an_error() {
    for (text, error) in [
        ("gone == 1", EvalError::NoField),
        ("quality == 1", EvalError::OtherType),
        ("v == \"good\"", EvalError::OtherType),
        ("v", EvalError::OtherType),
        ("quality", EvalError::OtherType),
    ] {
        assert_eq!(judge(text), Err(error), "{text}");
    }
}

#[test]
fn mistakes_name_the_way_out() {
    for (text, told) in [
        ("a == b", "both sides are fields"),
        ("quality = 1", "write `==`"),
        ("v + 1", "a condition is needed"),
        ("v.foo()", "no function foo()"),
    ] {
        let error = Expression::compile_for_records(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
    assert!(
        Expression::compile("quality == \"good\"", headwater_expression::ExpressionType::Condition).is_err()
    );
}
