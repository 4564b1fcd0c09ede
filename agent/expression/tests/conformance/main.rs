//! What expressions mean. Cases named after a file come from CEL's conformance suite (google/cel-spec,
//! `tests/simple/testdata`), as far as they lie in the subset; results that are no number or bool are compared in CEL.

mod numbers;
mod operators;
mod variables;

use headwater_expression::{EvalError, Expression, ExpressionType, Input};

/// 2009-02-13T23:31:30.123Z, a Friday.
const TIME_MS: i64 = 1_234_567_890_123;

fn with_input<T>(call: impl Fn(&Input<'_>) -> T) -> T {
    let labels = [("zone", "bed1"), ("limit", "12.5"), ("count", "7"), ("in", "reserved"), ("empty", "")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    call(&Input {
        value: 21.5,
        time_ms: TIME_MS,
        series: "greenhouse/bed1/temp",
        labels: &labels,
        fields: &[],
    })
}

fn condition(text: &str) -> Result<bool, EvalError> {
    let program = Expression::compile(text, ExpressionType::Condition)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    with_input(|input| program.filter(input))
}

fn number(text: &str) -> Result<f64, EvalError> {
    let program =
        Expression::compile(text, ExpressionType::Number).unwrap_or_else(|error| panic!("{text}: {error}"));
    with_input(|input| program.number(input))
}

fn all_true(cases: &[&str]) {
    for text in cases {
        assert_eq!(condition(text), Ok(true), "{text}");
        assert_eq!(condition(&format!("!({text})")), Ok(false), "not {text}");
    }
}

fn numbers(cases: &[(&str, f64)]) {
    for (text, expected) in cases {
        assert_eq!(number(text), Ok(*expected), "{text}");
    }
}

fn number_errors(cases: &[(&str, EvalError)]) {
    for (text, expected) in cases {
        assert_eq!(number(text), Err(*expected), "{text}");
    }
}
