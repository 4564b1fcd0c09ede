//! Strings, labels, times.

use super::{all_true, condition, numbers, with_input};
use headwater_expression::EvalError::NoLabel;
use headwater_expression::{EvalError, Expression, ExpressionType};

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
fn a_program_knows_its_kind_and_whether_it_reads_the_reading() {
    let compile = |text, want| Expression::compile(text, want).expect(text);
    let fixed = compile("labels.zone == 'bed1' && series != ''", ExpressionType::Condition);
    let (by_value, by_time) = (
        compile("value > 1.0", ExpressionType::Condition),
        compile("time.getHours()", ExpressionType::Number),
    );
    assert_eq!([&fixed, &by_value, &by_time].map(|program| program.reads_reading()), [false, true, true]);
    with_input(|input| {
        assert_eq!(fixed.number(input), Err(EvalError::OtherKind));
        assert_eq!(by_time.filter(input), Err(EvalError::OtherKind));
    });
}
