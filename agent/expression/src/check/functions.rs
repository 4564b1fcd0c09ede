//! The names of functions, and their kinds.

use crate::node::{Class, DatePart, Function};

/// Functions without a receiver.
pub(super) const PLAIN: [&str; 5] = ["size", "int", "double", "timestamp", "has"];
/// Functions of strings.
pub(super) const OF_TEXT: [&str; 4] = ["startsWith", "endsWith", "contains", "size"];
/// Functions of times, with the part that each takes.
pub(super) const OF_TIME: [(&str, DatePart); 10] = [
    ("getFullYear", DatePart::FullYear),
    ("getMonth", DatePart::Month),
    ("getDate", DatePart::Date),
    ("getDayOfMonth", DatePart::DayOfMonth),
    ("getDayOfWeek", DatePart::DayOfWeek),
    ("getDayOfYear", DatePart::DayOfYear),
    ("getHours", DatePart::Hours),
    ("getMinutes", DatePart::Minutes),
    ("getSeconds", DatePart::Seconds),
    ("getMilliseconds", DatePart::Milliseconds),
];
/// Functions of one double.
pub(super) const SHAPES: [(&str, Function); 5] = [
    ("ceil", Function::Ceil),
    ("floor", Function::Floor),
    ("round", Function::Round),
    ("trunc", Function::Trunc),
    ("sqrt", Function::Sqrt),
];
/// Tests of one double.
pub(super) const CLASSES: [(&str, Class); 3] =
    [("isNaN", Class::NotANumber), ("isInf", Class::Infinite), ("isFinite", Class::Finite)];
/// Functions of `math`.
pub(super) const OF_MATH: [&str; 12] = [
    "abs", "sign", "greatest", "least", "ceil", "floor", "round", "trunc", "sqrt", "isNaN", "isInf",
    "isFinite",
];
