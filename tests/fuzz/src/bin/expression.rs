//! A text of CEL, and what it says of a reading.
#![no_main]

use headwater_expression::{Expression, ExpressionType, Input};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Expression::compile_for_records(text);
    for kind in [ExpressionType::Condition, ExpressionType::Number] {
        let Ok(program) = Expression::compile(text, kind) else { continue };
        for value in [0.0, -1.5, 1e300] {
            let labels = [("zone".to_owned(), "1.5".to_owned())];
            let input =
                Input { value, time_ms: 1_700_000_000_000, series: "a/b", labels: &labels, fields: &[] };
            let _ = program.filter(&input);
            assert!(program.number(&input).is_ok_and(f64::is_finite) || program.number(&input).is_err());
        }
    }
});
