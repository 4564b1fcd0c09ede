//! Ints, doubles and what makes one of the other.

use super::{all_true, condition, number_errors, numbers};
use headwater_expression::EvalError::{DivisionByZero, NotANumber, NotFinite, Overflow, Unordered};

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

/// Equality by IEEE 754; an order is asked for in vain, as in cel-go.
#[test]
fn nan_is_in_no_order() {
    all_true(&[
        "0.0/0.0 != 0.0/0.0",
        "!(0.0/0.0 == 0.0/0.0)",
        "0.0/0.0 != size(series)",
        "!(0.0/0.0 in [1.0, 0.0/0.0])",
        "0.0/0.0 < 1.0 || true",
    ]);
    for text in ["0.0/0.0 < 1.0", "!(1.0 >= 0.0/0.0)", "0.0/0.0 < size(series)", "math.least(1, 0.0/0.0) < 3"]
    {
        assert_eq!(condition(text), Err(Unordered), "{text}");
    }
    number_errors(&[
        ("math.greatest(1.0, 0.0/0.0)", Unordered),
        ("math.least(0.0/0.0, 1.0, 2.0)", Unordered),
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
