//! Operators: what they mean and how tightly they bind.

use super::{all_true, condition, numbers};
use headwater_expression::EvalError::{DivisionByZero, NoLabel};

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
