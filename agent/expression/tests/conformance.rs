//! What expressions mean. Cases named after a file come from CEL's conformance suite (google/cel-spec,
//! `tests/simple/testdata`), as far as they lie in the subset; results that are no number or bool are compared in CEL.

use headwater_expression::EvalError::{self, DivisionByZero, NoLabel, NotANumber, NotFinite, Overflow};
use headwater_expression::{Expression, Input, Want};

/// 2009-02-13T23:31:30.123Z, a Friday.
const TIME_MS: i64 = 1_234_567_890_123;

fn with_input<T>(call: impl Fn(&Input<'_>) -> T) -> T {
    let labels = [("zone", "bed1"), ("limit", "12.5"), ("count", "7"), ("in", "reserved"), ("empty", "")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    call(&Input { value: 21.5, time_ms: TIME_MS, series: "greenhouse/bed1/temp", labels: &labels })
}

fn condition(text: &str) -> Result<bool, EvalError> {
    let program =
        Expression::compile(text, Want::Condition).unwrap_or_else(|error| panic!("{text}: {error}"));
    with_input(|input| program.filter(input))
}

fn number(text: &str) -> Result<f64, EvalError> {
    let program = Expression::compile(text, Want::Number).unwrap_or_else(|error| panic!("{text}: {error}"));
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

#[test]
fn integer_math() {
    numbers(&[
        ("42 + 2", 44.0),
        ("42 + (-2)", 40.0),
        ("-42 + (-2)", -44.0),
        ("42 - 2", 40.0),
        ("42 - (-2)", 44.0),
        ("-42 - (-2)", -40.0),
        ("42 * 2", 84.0),
        ("42 * (-2)", -84.0),
        ("-42 * (-2)", 84.0),
        ("42 / 2", 21.0),
        ("-42 / 2", -21.0),
        ("-42 / (-2)", 21.0),
        ("42 % 5", 2.0),
        ("42 % (-5)", 2.0),
        ("-42 % (-5)", -2.0),
        ("-42 % 5", -2.0),
        ("-(42)", -42.0),
        ("-(0)", 0.0),
        ("-(-42)", 42.0),
        ("15 * 0", 0.0),
        ("7 / 2", 3.0),
        ("-7 / 2", -3.0),
        ("0x1F", 31.0),
        ("-0x8000000000000000", -9_223_372_036_854_775_808.0),
        ("-9223372036854775808", -9_223_372_036_854_775_808.0),
    ]);
    number_errors(&[
        ("42 % 0", DivisionByZero),
        ("15 / 0", DivisionByZero),
        ("9223372036854775807 + 1", Overflow),
        ("-9223372036854775808 - 1", Overflow),
        ("5000000000 * 5000000000", Overflow),
        ("-(-9223372036854775808)", Overflow),
        ("-9223372036854775808 / -1", Overflow),
        ("-9223372036854775808 % -1", Overflow),
        ("math.abs(-9223372036854775808)", Overflow),
    ]);
}

#[test]
fn fp_math() {
    numbers(&[
        ("4.25 + 15.25", 19.5),
        ("17.75 + (-7.75)", 10.0),
        ("-4.125 + (-2.125)", -6.25),
        ("42.875 - (-22.0)", 64.875),
        ("-4.875 - (-0.125)", -4.75),
        ("42.5 * 0.2", 8.5),
        ("40.75 * (-2.25)", -91.6875),
        ("-3.0 * (-2.5)", 7.5),
        ("0.0625 / 0.002", 31.25),
        ("-8.875 / (-0.0625)", 142.0),
        ("-(-1.25)", 1.25),
        ("15.36 * 0.0", 0.0),
        (" 2.5 + 0.0", 2.5),
        ("1e-324  / 2.0", 0.0),
        (".99 + 9.9e-1", 1.98),
    ]);
    all_true(&[
        "7.5 + 1.5 == 1.5 + 7.5",
        "5.625 + (15.75 + 2.0) == (5.625 + 15.75) + 2.0",
        "1.5 * (23.625 * 0.75) == (1.5 * 23.625) * 0.75",
        "5.75 * (1.5 + 2.5)  == 5.75 * 1.5 + 5.75 * 2.5",
        "math.isInf(15.75 / 0.0)",
        "15.75 / 0.0 > 1e308",
        "math.isInf(2.0 * 8.988466e+307)",
        "2.0 * -8.988466e+307 < -1e308",
        "1.0 / -0.0 < 0.0",
        "1.0 / -(0.0) < 0.0",
    ]);
    number_errors(&[("value / 0.0", NotFinite), ("0.0 / 0.0", NotFinite), ("value * 1e308", NotFinite)]);
}

/// By IEEE 754 NaN equals nothing and is in no order.
#[test]
fn nan_is_in_no_order() {
    for (text, expected) in [
        ("0.0/0.0 == 0.0/0.0", false),
        ("0.0/0.0 != 0.0/0.0", true),
        ("0.0/0.0 < 1.0", false),
        ("0.0/0.0 >= 1.0", false),
        ("0.0/0.0 == size(series)", false),
        ("0.0/0.0 != size(series)", true),
        ("0.0/0.0 < size(series)", false),
        ("0.0/0.0 in [1.0, 0.0/0.0]", false),
        ("math.isNaN(math.greatest(1.0, 0.0/0.0))", true),
        ("math.isNaN(math.least(0.0/0.0, 1.0, 2.0))", true),
    ] {
        assert_eq!(condition(text), Ok(expected), "{text}");
    }
}

#[test]
fn logic() {
    all_true(&[
        "true && true",
        "!(false && false)",
        "!(false && true)",
        "!(true && false)",
        "!(false && (2 / 0 > 3 ? false : true))",
        "!((2 / 0 > 3 ? false : true) && false)",
        "true || true",
        "!(false || false)",
        "false || true",
        "true || (2 / 0 > 3 ? false : true)",
        "(2 / 0 > 3 ? false : true) || true",
        "1/0 != 0 || 1/0 != 0 || true",
        "!!true",
        "(true ? 1 : 2) == 1",
        "(false ? 'foo' : 'bar') == 'bar'",
        "true ? true : 1/0 > 0",
        // The conditional takes everything to its right; && binds tighter than ||.
        "true ? true : false || false",
        "true || false && false",
        "false && false || true",
    ]);
    for text in [
        "2 / 0 > 4 ? 'baz' == '' : true",
        "true && 1/0 != 0",
        "1/0 != 0 && true",
        "false || 1/0 != 0",
        "1/0 != 0 || false",
        "!(1/0 != 0)",
        "1/0 != 0 && 1 % 0 == 0",
    ] {
        assert_eq!(condition(text), Err(DivisionByZero), "{text}");
    }
    assert_eq!(condition("labels.a == '' && 1/0 > 0"), Err(NoLabel), "the first error is told");
}

#[test]
fn comparisons() {
    all_true(&[
        "1 == 1",
        "!(-1 == 1)",
        "1.0 == 1.0e+0",
        "'' == \"\"",
        "!('a' == 'b')",
        "'abc' == r'abc'",
        "!('abc' == 'ABC')",
        "false != true",
        "24 != 42",
        "9.0e+3 != 9001.0",
        "-1 < 0",
        "1.0 < 1.0000001",
        "!(-0.0 < 0.0)",
        "-0.0 == 0.0",
        "'Abc' < 'aBC'",
        "'abc' < 'abcd'",
        "'a' < '\\u00e1'",
        "!('a' < 'AB')",
        "false < true",
        "!(true < true)",
        "42 > -42",
        "1e+1 > 1e+0",
        "!(.99 > 9.9e-1)",
        "'A' > ''",
        "true >= true",
        // An int and a double are exact.
        "1 == 1.0",
        "value > 21",
        "21 < value",
        "value < 22 && 22 > value && value != 21",
        "9007199254740993 > 9007199254740992.0",
        "9007199254740992.0 < 9007199254740993",
        "9223372036854775807 < 9223372036854775808.0",
        "time.getHours() < value + 2.0",
        "value + 1.5 == time.getHours()",
        "time.getHours() >= 22.5",
    ]);
}

#[test]
fn precedence_and_associativity() {
    numbers(&[
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 - 4 - 3", 3.0),
        ("100 / 10 / 2", 5.0),
        ("2 * 7 % 4", 2.0),
        ("2 -1", 1.0),
        ("2--1", 3.0),
        ("-2 * -3", 6.0),
        ("value * 1.8 + 32.0", 21.5 * 1.8 + 32.0),
        ("(value - 32.0) * 5.0 / 9.0", (21.5 - 32.0) * 5.0 / 9.0),
        ("false ? 1 : true ? 2 : 3", 2.0),
        ("1 < 2 ? 3 : 4", 3.0),
        ("--------------------------------19", 19.0),
        ("((((((((((((((((((((((((((((((((7))))))))))))))))))))))))))))))))", 7.0),
        (
            "3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3 - 3 + 3",
            3.0,
        ),
        (
            "4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4 * 4 / 4",
            4.0,
        ),
    ]);
    all_true(&[
        "1 + 1 == 2 && 3 > 2",
        "1 < 2 == true == true",
        "1 < 2 == true",
        "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!true",
        "value // the reading\n > 3.0 // above\n",
    ]);
    let chain =
        |sign: &str, term: &str, last: &str| format!("{}{last}", format!("{term} {sign} ").repeat(200));
    all_true(&[&chain("||", "false", "true"), &format!("!({})", chain("&&", "true", "false"))]);
    numbers(&[(&format!("{}5", "false ? 1 : ".repeat(32)), 5.0), (&format!("1{}", " + 1".repeat(32)), 33.0)]);
}

/// The one deviation: CEL has no `double * int`.
#[test]
fn literals_adapt_to_doubles() {
    numbers(&[
        ("value * 2", 43.0),
        ("2 * value", 43.0),
        ("value + -1", 20.5),
        ("value * (60 * 24)", 30_960.0),
        ("value * 9 / 5 + 32", 21.5 * 9.0 / 5.0 + 32.0),
        ("value > 30.0 ? value : 0", 0.0),
        ("math.greatest(value, 0)", 21.5),
        ("math.floor(3)", 3.0),
        ("value * double(time.getHours())", 494.5),
        ("7", 7.0),
        ("time.getHours()", 23.0),
    ]);
}

#[test]
fn strings() {
    all_true(&[
        "size('') == 0",
        "size('\\u00ff') == 1",
        "size('\\u03c0\\u03ad\\u03bd\\u03c4\\u03b5') == 5",
        "'four'.size() == 4",
        "'foobar'.startsWith('foo')",
        "!'foobar'.startsWith('bar')",
        "!''.startsWith('foo')",
        "'foobar'.startsWith('')",
        "''.startsWith('')",
        "'foobar'.endsWith('bar')",
        "!''.endsWith('foo')",
        "'fort\u{e9}'.endsWith('t\u{e9}')",
        "'hello'.contains('he')",
        "'hello'.contains('')",
        "!'hello'.contains('ol')",
        "'abababc'.contains('ababc')",
        "'Stra\u{df}e'.contains('a\u{df}')",
        "series.startsWith('greenhouse/') && series.endsWith('/temp') && series.contains('bed')",
    ]);
}

#[test]
fn string_literals() {
    all_true(&[
        "'''hello''' == \"hello\"",
        "\"\"\"hello\"\"\" == 'hello'",
        "'''x''x''' == \"x''x\"",
        "''' a\n\"b\" ''' == ' a\\n\"b\" '",
        r#"' \\ \? \" \' \` ' == " \u005c \u003f \u0022 \u0027 \u0060 ""#,
        r"'\a\b\f\n\r\t\v' == '\x07\x08\x0C\X0a\u000d\U00000009\013'",
        r"'\000\012\177\377' == '\x00\x0a\x7F\xff'",
        r"size('\U0001f431') == 1",
        r"r'\n' == '\\n' && R'\\' == '\\\\'",
        r#"r"it's" == 'it\'s'"#,
        "r'''a\\''' == 'a\\\\'",
        "'a // no comment' != 'a '",
    ]);
}

#[test]
fn conversions() {
    numbers(&[
        ("double(1000000000000)", 1e12),
        ("double(9223372036854775807)", 9_223_372_036_854_775_807.0),
        ("double('123')", 123.0),
        ("double('6.02214e23')", 6.022_14e23),
        ("double('-5.43e-21')", -5.43e-21),
        ("int(-123.456)", -123.0),
        ("int(1.9)", 1.0),
        ("int(-7.9)", -7.0),
        ("int('987')", 987.0),
        ("int('-3')", -3.0),
        ("int(timestamp('2004-09-16T23:59:59Z'))", 1_095_379_199.0),
        ("int(time)", 1_234_567_890.0),
        ("double(labels.limit) * 2", 25.0),
        ("int(labels.count) + 1", 8.0),
        ("int(int(int(int(double(int(7))))))", 7.0),
    ]);
    number_errors(&[
        ("int(1e99)", Overflow),
        ("int(-1e99)", Overflow),
        ("int(9223372036854775807.0)", Overflow),
        ("int(0.0 / 0.0)", Overflow),
        ("int('1.5')", NotANumber),
        ("int('9223372036854775808')", NotANumber),
        ("double(labels.zone)", NotANumber),
        ("double(labels.empty)", NotANumber),
        ("double(' 1')", NotANumber),
    ]);
}

#[test]
fn labels() {
    all_true(&[
        "labels.zone == 'bed1'",
        "labels[\"zone\"] == 'bed1'",
        "labels['in'] == 'reserved'",
        "labels[labels.empty == '' ? 'zone' : 'none'] == 'bed1'",
        "'zone' in labels",
        "!('lab' in labels)",
        "labels.zone in labels == false",
        "has(labels.zone) && has(labels.empty) && !has(labels.lab)",
        "has(labels.lab) ? labels.lab == 'x' : true",
        "size(labels) == 5 && labels.size() == 5",
        "labels.zone in ['bed1', 'bed2']",
        "!(labels.zone in ['lab'])",
        "!(labels.zone in [])",
        "labels.lab == 'x' || true",
    ]);
    for text in
        ["labels.lab == 'x'", "labels['lab'] in ['x']", "labels.lab in labels", "size(labels.lab) > 0"]
    {
        assert_eq!(condition(text), Err(NoLabel), "{text}");
    }
}

/// Equality of numbers across types, in both directions; what no value of the type equals is never found.
#[test]
fn lists_of_literals() {
    all_true(&[
        "21.5 in [1, 21.5]",
        "value in [21.5]",
        "!(value in [21, 22])",
        "2.0 in [1, 2]",
        "2 in [1.0, 2.0]",
        "!(2 in [2.5, 1e300])",
        "-1 in [-1]",
        "time.getDayOfWeek() in [0, 5, 6]",
        "!(9007199254740992.0 in [9007199254740993])",
        "9007199254740993 in [9007199254740993]",
        "!(9223372036854775807 in [9223372036854775808.0])",
    ]);
}

#[test]
fn timestamps() {
    numbers(&[
        ("timestamp('2009-02-13T23:31:30Z').getDate()", 13.0),
        ("timestamp('2009-02-13T23:31:30Z').getDayOfMonth()", 12.0),
        ("timestamp('2009-02-13T23:31:30Z').getDayOfWeek()", 5.0),
        ("timestamp('2009-02-13T23:31:30Z').getDayOfYear()", 43.0),
        ("timestamp('2009-02-13T23:31:30Z').getFullYear()", 2009.0),
        ("timestamp('2009-02-13T23:31:30Z').getHours()", 23.0),
        ("timestamp('2009-02-13T23:31:20.123456789Z').getMilliseconds()", 123.0),
        ("timestamp('2009-02-13T23:31:30Z').getMinutes()", 31.0),
        ("timestamp('2009-02-13T23:31:30Z').getMonth()", 1.0),
        ("timestamp('2009-02-13T23:31:30Z').getSeconds()", 30.0),
        ("timestamp('2009-02-13T23:31:30Z').getDayOfMonth('+11:00')", 13.0),
        ("timestamp('2009-02-13T02:00:00Z').getDayOfMonth('-02:30')", 11.0),
        ("timestamp('2009-02-13T23:31:30Z').getDayOfWeek('UTC')", 5.0),
        ("timestamp('2009-02-13T23:31:30Z').getFullYear('-09:30')", 2009.0),
        ("timestamp('2009-02-13T23:31:30Z').getHours('02:00')", 1.0),
        ("timestamp('2009-02-13T23:31:30Z').getSeconds('-00:00')", 30.0),
        ("timestamp('0001-01-01T00:00:00Z').getFullYear()", 1.0),
        ("timestamp('9999-12-31T23:59:59.999999999Z').getDayOfYear()", 364.0),
        ("timestamp('2000-12-31T00:00:00Z').getDayOfYear()", 365.0),
        ("timestamp('1969-12-31T23:59:59.001Z').getMilliseconds()", 1.0),
        ("int(timestamp('1969-12-31T23:59:59.5Z'))", -1.0),
        ("time.getMilliseconds()", 123.0),
        ("time.getHours('+01:00')", 0.0),
        ("time.getDate('+01:00')", 14.0),
    ]);
    all_true(&[
        "timestamp('2009-02-13T23:31:30Z') == timestamp('2009-02-14T00:31:30+01:00')",
        "timestamp('2009-02-13T23:31:29Z') != timestamp('2009-02-13T23:31:30Z')",
        "timestamp(1234567890) == timestamp('2009-02-13T23:31:30Z')",
        "time > timestamp('2009-02-13T23:31:30.122999999Z')",
        "time < timestamp('2009-02-13T23:31:30.123000001Z')",
        "time == timestamp('2009-02-13T23:31:30.123Z')",
        "timestamp(time) == time",
        "(value > 0.0 ? time : timestamp(0)) == time",
    ]);
}

#[test]
fn math_ext() {
    numbers(&[
        ("math.greatest(-5)", -5.0),
        ("math.greatest(1, 1)", 1.0),
        ("math.greatest(3, -3)", 3.0),
        ("math.greatest(-7, 5)", 5.0),
        ("math.greatest(10, 1, 3)", 10.0),
        ("math.greatest(-1, -2, -3)", -1.0),
        ("math.greatest(1.0, 1)", 1.0),
        ("math.greatest(5.4, 10, 3, -5.0)", 10.0),
        ("math.least(5.5, -7.5)", -7.5),
        ("math.least(1, 3, 0)", 0.0),
        ("math.least(-1.797693e308, 1.5)", -1.797_693e308),
        ("math.ceil(-1.2)", -1.0),
        ("math.ceil(1.2)", 2.0),
        ("math.floor(-1.2)", -2.0),
        ("math.floor(1.2)", 1.0),
        ("math.round(-1.6)", -2.0),
        ("math.round(-1.4)", -1.0),
        ("math.round(-1.5)", -2.0),
        ("math.round(1.2)", 1.0),
        ("math.round(1.5)", 2.0),
        ("math.trunc(-1.2)", -1.0),
        ("math.trunc(1.2)", 1.0),
        ("math.abs(-234.5)", 234.5),
        ("math.abs(-11)", 11.0),
        ("math.sign(-0.5)", -1.0),
        ("math.sign(0.0)", 0.0),
        ("math.sign(-42)", -1.0),
        ("math.sqrt(49.0)", 7.0),
    ]);
    all_true(&[
        "math.greatest(9223372036854775807, 1) == 9223372036854775807",
        "math.least(-9223372036854775808, 1) == -9223372036854775808",
        "math.isNaN(math.round(0.0/0.0))",
        "math.isNaN(math.trunc(0.0/0.0))",
        "math.isNaN(math.sign(0.0/0.0))",
        "math.isNaN(math.sqrt(-1.0))",
        "!math.isNaN(1.0)",
        "math.isInf(1.0 / 0.0)",
        "math.isInf(-1.0 / 0.0)",
        "!math.isInf(0.0/0.0)",
        "math.isFinite(1.5)",
        "!math.isFinite(1.0 / 0.0)",
    ]);
}

#[test]
fn a_program_knows_its_kind_and_whether_it_reads_the_reading() {
    let compile = |text, want| Expression::compile(text, want).expect(text);
    let fixed = compile("labels.zone == 'bed1' && series != ''", Want::Condition);
    let (by_value, by_time) =
        (compile("value > 1.0", Want::Condition), compile("time.getHours()", Want::Number));
    assert_eq!([&fixed, &by_value, &by_time].map(|program| program.reads_reading()), [false, true, true]);
    with_input(|input| {
        assert_eq!(fixed.number(input), Err(EvalError::OtherKind));
        assert_eq!(by_time.filter(input), Err(EvalError::OtherKind));
    });
}
