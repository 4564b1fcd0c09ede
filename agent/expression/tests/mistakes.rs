//! Every mistake has a place, says what is wrong, and says what would be right.

use headwater_expression::{CompileError, DEPTH_MAX, Expression, ExpressionType, TEXT_BYTES_MAX};

fn refused(text: &str, want: ExpressionType) -> CompileError {
    let error = Expression::compile(text, want).err().unwrap_or_else(|| panic!("`{text}` was taken"));
    assert!(text.get(error.span.clone()).is_some(), "{text}: {:?} is no span of it", error.span);
    assert!(!error.what.is_empty() && !error.fix.is_empty(), "{text}");
    error
}

/// Cases of text, the part that is pointed at, words of what is wrong, words of the way out.
fn check(want: ExpressionType, cases: &[(&str, &str, &str, &str)]) {
    for (text, part, what, fix) in cases {
        let error = refused(text, want);
        assert_eq!(&text[error.span.clone()], *part, "{text}: {error}");
        assert!(error.what.contains(what), "{text}: `{}` lacks `{what}`", error.what);
        assert!(error.fix.contains(fix), "{text}: `{}` lacks `{fix}`", error.fix);
    }
}

#[test]
fn habits_from_other_languages() {
    check(
        ExpressionType::Condition,
        &[
            ("value = 3", "=", "`=` is no sign", "`==`"),
            ("value === 3", "===", "`===`", "`==`"),
            ("value <> 3", "<>", "`<>`", "`!=`"),
            ("value => 3", "=>", "`=>`", "`>=`"),
            ("value ≥ 3", "≥", "`≥`", "`>=`"),
            ("value > 3 & value < 5", "&", "`&`", "`&&`"),
            ("value > 3 | value < 5", "|", "`|`", "`||`"),
            ("value > 3 and value < 5", "and", "`and`", "`&&`"),
            ("value > 3 OR value < 5", "OR", "`OR`", "`||`"),
            ("not value > 3", "not", "`not`", "`!`"),
            ("series not in ['a']", "not", "`not`", "!(a in b)"),
            ("value is 3", "is", "`is`", "`==`"),
            ("value > 3 && True", "True", "`True`", "`true`"),
            ("labels.zone == null", "null", "`null`", "has(labels.zone)"),
            ("value^2 > 3", "^", "`^`", "value * value"),
            ("series == “a”", "“", "`“`", "plain"),
            ("value > 1,5", ",", "`,` cannot", "1.5"),
            ("value > 5m", "5m", "`5m` is not a number", "without a unit"),
            ("value > 5u", "5u", "`5u` is not a number", "leave the u away"),
            ("value > 7.", "7.", "ends with its point", "7.0"),
            ("value > 0 if true", "if", "`if`", "? this : that"),
            ("10 < value < 20", "10 < value < 20", "a bool cannot be compared with an int", "compare twice"),
            ("series =~ 'x'", "=~", "`=~`", "endsWith"),
            ("series.matches('x')", "matches", "matches()", "regular expressions are left out"),
            ("['a'].exists(x, x == series)", "['a']", "a list cannot stand here", "after `in`"),
            ("value == \"3\"", "value == \"3\"", "a double cannot be compared with a string", "double("),
            ("value == true", "value == true", "a double cannot be compared with a bool", "1.0 and 0.0"),
            ("time > 1700000000", "time > 1700000000", "a timestamp cannot be compared", "int(time)"),
            ("time > '2024-01-01'", "time > '2024-01-01'", "a timestamp cannot be compared", "timestamp("),
        ],
    );
}

#[test]
fn names() {
    check(
        ExpressionType::Condition,
        &[
            ("valeu > 3", "valeu", "`valeu` is not known", "did you mean `value`?"),
            ("label.zone == 'a'", "label", "`label` is not known", "did you mean `labels`?"),
            ("zone == 'a'", "zone", "`zone` is not known", "labels.zone"),
            ("series.startswith('a')", "startswith", "startswith()", "did you mean startsWith()?"),
            ("time.getHour() > 3", "getHour", "getHour()", "did you mean getHours()?"),
            ("abs(value) > 3.0", "abs", "no function abs()", "math.abs()"),
            ("math.max(value, 1) > 3.0", "max", "math.max()", "math.greatest(a, b)"),
            ("math.flor(value) > 3.0", "flor", "math.flor()", "math.floor()"),
            ("value.abs() > 3.0", "abs", "a double has no function abs()", "math.abs("),
            ("sizeof(series) > 3", "sizeof", "no function sizeof()", "did you mean size()?"),
            ("celsius(value) > 3.0", "celsius", "no function celsius()", "there are size"),
            ("series.size > 3", "series", "only labels have them", "call a function with ()"),
            ("value.zone > 3", "value", "only labels have them", "labels.zone"),
            ("labels == 3", "labels", "all of them at once", "name one"),
            ("math.pi > 3.0", "math", "functions only", "math.abs"),
            ("labels.in == 'a'", "in", "a word of CEL's own", "labels[\"in\"]"),
            ("labels.zone() == 'a'", "zone", "labels has no function zone()", "there are size"),
            ("has(labels['a'])", "labels['a']", "a label with a point", "in labels"),
            ("has(value)", "value", "a label with a point", "has(labels.zone)"),
            ("string(value) == '3'", "string", "string()", "compare numbers"),
            ("duration('1h') > 3", "duration", "duration()", "seconds"),
        ],
    );
}

#[test]
fn types() {
    check(
        ExpressionType::Condition,
        &[
            ("value", "value", "a condition is needed", "value > 0.0"),
            ("series", "series", "this is a string", "=="),
            ("value && true", "value", "`&&` takes a condition", "value > 0.0"),
            ("!value", "value", "`!` takes a condition", "value > 0.0"),
            ("value in 3", "3", "`in` takes a list or labels", "[1.0, 2.0]"),
            ("'a' in series", "series", "`in` takes a list or labels", "contains"),
            ("value in ['a']", "'a'", "a string in a list where a double", "double("),
            ("value in [value]", "value", "literals only", "=="),
            ("time in [1]", "time", "cannot be looked up", "=="),
            ("1 in labels", "1", "the name of a label is a string", "quotes"),
            ("series.contains(3)", "3", "is a string", "quotes"),
            ("series.contains()", "series.contains()", "has 0 arguments", "1 argument"),
            ("time.getHours(1, 2) > 3", "time.getHours(1, 2)", "has 2 arguments", "1 argument"),
            ("time.getHours('Europe/Paris') > 3", "'Europe/Paris'", "not an offset", "+01:00"),
            ("time > timestamp('yesterday')", "'yesterday'", "not a time", "RFC 3339"),
            ("time > timestamp('2023-02-29T00:00:00Z')", "'2023-02-29T00:00:00Z'", "not a time", "RFC 3339"),
            ("time > timestamp(labels.since)", "labels.since", "takes a literal", "int(time)"),
        ],
    );
    check(
        ExpressionType::Number,
        &[
            ("value > 3.0", "value > 3.0", "a number is needed", "? 1.0 : 0.0"),
            ("labels.offset", "labels.offset", "this is a string", "double(labels.offset)"),
            ("value + labels.offset", "labels.offset", "`+` takes numbers", "double("),
            ("series + '/x'", "series + '/x'", "cannot be joined", "startsWith"),
            ("time - time", "time", "`-` takes numbers", "int(time) - int("),
            ("value * time.getHours()", "time.getHours()", "is an int", "double(time.getHours())"),
            ("value * (9 / 5)", "(9 / 5)", "drops the fraction", "9.0 / 5.0"),
            ("value * -(9 / 5 + 1)", "-(9 / 5 + 1)", "drops the fraction", "9.0 / 5.0"),
            ("value % 2", "value % 2", "`%` takes whole numbers", "int(value) % 2"),
            ("-series", "series", "`-` takes a number", "double("),
            ("true ? 1 : 'a'", "'a'", "after `?` is an int, after `:` is a string", "one type"),
            ("math.greatest()", "math.greatest()", "0 arguments", "at least 1"),
            ("math.abs(series)", "series", "a number is needed", "double("),
            ("int(true)", "true", "int() does not take a bool", "? 1.0 : 0.0"),
        ],
    );
}

#[test]
fn things_missing_or_too_much() {
    check(
        ExpressionType::Condition,
        &[
            ("", "", "ends too early", "a value"),
            ("  // nothing", "", "ends too early", "a value"),
            ("value >", "", "ends too early", "a value"),
            ("(value > 3", "", "ends too early", "`)`"),
            ("value in [1, 2", "", "ends too early", "`,` or `]`"),
            ("value > 3)", ")", "`)` cannot stand here", "operator"),
            ("value > > 3", ">", "`>` cannot stand here", "a value"),
            ("value value", "value", "`value` cannot stand here", "an operator"),
            ("value > 3 ? true", "", "ends too early", "`:`"),
            // As in CEL, signs do not mix and ?: does not stand in the middle of itself.
            ("!-value > 3", "-", "`-` cannot stand here", "a value"),
            ("true ? true ? true : true : true", "?", "`?` cannot stand here", "`:`"),
            ("series == 'a", "'", "without an end", "close it with '"),
            ("series == 'a\nb'", "'", "without an end", "close it"),
            (r"series == '\d'", r"\d", "an escape that CEL does not have", r"\\"),
            (r"series == '\ud800'", r"\ud800", "an escape", r"\\"),
            (r"series == '\400'", r"\4", "an escape", r"\\"),
            ("series == b'a'", "b", "bytes are not supported", "leave the b away"),
            ("value > 99999999999999999999", "99999999999999999999", "past 64 bits", "1e19"),
            ("value > 9223372036854775808", "9223372036854775808", "past 64 bits", "1e19"),
            ("value > 1e999", "1e999", "past the range", "largest"),
            ("value > 1e", "1e", "`1e` is not a number", "unit"),
            ("value > 0x", "0x", "`0x` is not a number", "unit"),
            ("labels. > 3", ">", "no name after the point", "labels.zone"),
            ("value > 3 # comment", "#", "`#` is no sign", "leave it out"),
            ("{'a': 1} == 3", "{", "`{`", "maps"),
        ],
    );
    let at = |text: &str| refused(text, ExpressionType::Condition).span;
    assert_eq!(at("value > 3 && valeu < 4"), 13..18);
    assert_eq!(at("'ü' == series && valeu < 4"), 18..23, "bytes, not characters");
    assert_eq!(at("value > > 3"), 8..9);
}

#[test]
fn bounds() {
    let nested = |levels: usize| format!("{}value{} > 1.0", "(".repeat(levels), ")".repeat(levels));
    assert!(Expression::compile(&nested(DEPTH_MAX - 1), ExpressionType::Condition).is_ok());
    for text in [
        nested(DEPTH_MAX),
        nested(2000),
        format!("{}true", "!".repeat(DEPTH_MAX)),
        format!("value{} > 1.0", " + value".repeat(DEPTH_MAX)),
        format!("{}true", "true ? true : ".repeat(DEPTH_MAX)),
        "[".repeat(4000),
        "labels[".repeat(500),
        "int(".repeat(1000),
    ] {
        let error = refused(&text, ExpressionType::Condition);
        assert!(error.what.contains("more than 64 deep"), "{error}");
    }
    let long = format!("{}true", "true && ".repeat(TEXT_BYTES_MAX / 8));
    assert!(refused(&long, ExpressionType::Condition).what.contains("above the limit of 4096"));
    let wide = format!("{}ü", " ".repeat(TEXT_BYTES_MAX - 1));
    assert_eq!(refused(&wide, ExpressionType::Condition).span, TEXT_BYTES_MAX - 1..TEXT_BYTES_MAX + 1);
}
