//! Conditions and arithmetic over one reading, in a small, exact and bounded subset of CEL.
//!
//! `where = "value > -40.0 && value < 85.0"` keeps the readings for which the condition is true;
//! `map = "value * 1.8 + 32.0"` replaces each value by the number. Both are compiled once, with all types known,
//! and evaluated for each reading without allocating: some nanoseconds for either of these two (`cargo bench`).
//!
//! ```
//! use headwater_expression::{Expression, ExpressionType, Input};
//!
//! let program = Expression::compile("value > -40.0 && labels.zone != 'lab'", ExpressionType::Condition)?;
//! let labels = [("zone".to_owned(), "bed1".to_owned())];
//! let input = Input { value: 21.5, time_ms: 1_700_000_000_000, series: "greenhouse/temp", labels: &labels, fields: &[] };
//! assert_eq!(program.filter(&input), Ok(true));
//!
//! let error = Expression::compile("value = 3", ExpressionType::Condition).unwrap_err();
//! assert_eq!((error.span, error.fix.as_str()), (6..7, "write `==` to compare"));
//! # Ok::<(), headwater_expression::CompileError>(())
//! ```
//!
//! # What can be written
//!
//! | variable | type | is |
//! |---|---|---|
//! | `value` | double | the reading; true and false are 1.0 and 0.0 |
//! | `series` | string | the name of the series |
//! | `labels` | map(string, string) | `labels.zone`, `labels["zone"]`, `"zone" in labels`, `has(labels.zone)`, `size(labels)` |
//! | `time` | timestamp | the reading's own time, to the millisecond |
//!
//! A condition over the fields of a record ([`Expression::compile_for_records`]) has these fields as its variables instead:
//! `quality == "good"`, `meta.ok`, `values[0] > 1.0`, `record["a b"] != 0`, `has(meta.ok)`. A field has the type that its
//! place needs: that of the other side of a comparison, a bool alone, a number in arithmetic. Whole numbers are doubles. A
//! text counts as the number or the bool that it is exactly. A field that is absent, or of another type, is an error.
//!
//! | | |
//! |---|---|
//! | literals | `21`, `0x1F`, `21.5`, `.5`, `2e-3`, `true`, `"text"`, `'text'`, `"""text"""`, `r'raw\text'` with CEL's escapes |
//! | operators, tightest first | `-x` `!x`; `* / %`; `+ -`; `== != < <= > >= in`; `&&`; <code>&#124;&#124;</code>; `a ? b : c` |
//! | lists | of literals, after `in`: `time.getDayOfWeek() in [0, 6]`, `labels.zone in ["a", "b"]` |
//! | strings | `startsWith`, `endsWith`, `contains`, `size`; compared by code points |
//! | conversions | `int(x)`, `double(x)` of numbers and strings; `int(time)` [s since 1970] |
//! | times | `timestamp("2024-01-31T06:00:00Z")`, `timestamp(1706680800)`; `getFullYear` `getMonth` (0 to 11) `getDate` (1 to 31) `getDayOfMonth` (0 to 30) `getDayOfWeek` (0 is Sunday) `getDayOfYear` (0 to 365) `getHours` `getMinutes` `getSeconds` `getMilliseconds`, in UTC or with a fixed offset: `time.getHours("+01:00")` |
//! | math | `math.abs` `sign` `greatest` `least` `ceil` `floor` `round` `trunc` `sqrt` `isNaN` `isInf` `isFinite` |
//! | comments | `// to the end of the line` |
//!
//! Left out, each with an error that says what to write instead: `matches` (regular expressions: their size, and a time
//! that depends on the text), `+` of strings and `string()` (they allocate), durations, unsigned numbers, bytes,
//! `null`, maps, messages, lists elsewhere than after `in`, the macros over lists, named time zones.
//!
//! # What it means
//!
//! What CEL says (<https://github.com/google/cel-spec>, `doc/langdef.md`; the math functions after the extension
//! `math` of cel-go), and in particular:
//!
//! - `&&` and `||` do not care for order: one operand that decides makes up for an error in the other.
//! - An int has 64 bits, `/` of ints drops the fraction, and overflow and division by zero are errors. Doubles follow
//!   IEEE 754: `1.0 / 0.0` is infinite, NaN equals nothing. To ask whether NaN is greater or less is an error.
//! - An int and a double are compared exactly, without rounding either.
//! - A label that the series does not have is an error when read; ask `has(labels.zone)` first.
//!
//! **The one deviation**: a whole number made of literals becomes a double where the other operand is one, so that
//! `value * 2` works; CEL wants `value * 2.0`. Not with `/` or `%` in it: `value * (9 / 5)` would multiply by 1, and is
//! refused. Everything else that is an int asks for `double()`, as in CEL.
//!
//! CEL finds types that do not fit when evaluating; this refuses them when compiling.
//!
//! # Bounds
//!
//! [`TEXT_BYTES_MAX`] bounds the text, and with it the program (about 100 B for each operator or call) and its time;
//! [`DEPTH_MAX`] bounds what is nested, and with it the stack (below 192 KiB optimised, below 1 MiB not, held by a
//! test; a plain condition takes a few hundred bytes). CEL asks for 32 levels and 32 operators in a row; chains of `&&` and `||` are bounded by the text alone.
//! There are no loops. A program is immutable and may be shared by all series.

mod ast;
mod calendar;
mod check;
mod error;
mod node;
mod parse;
mod token;

pub use error::{CompileError, EvalError};

use check::Checked;
use node::{Bool, Double, Evaluate};
use std::ops::Range;

/// Longest expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Most levels of nesting: brackets, calls, `?:`, and operators in a row but for `&&` and `||`.
pub const DEPTH_MAX: usize = 64;

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpressionType {
    /// True or false: `where`.
    Condition,
    /// A number: `map`.
    Number,
}

/// One reading, as an expression sees it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The reading [unit of the series].
    pub value: f64,
    /// Its time [ms since the Unix epoch].
    pub time_ms: i64,
    /// The name of its series.
    pub series: &'a str,
    /// The labels of its series: names and values. Few, so that they are searched one by one.
    pub labels: &'a [(String, String)],
    /// The values of [`Program::fields`], in their order; empty for a reading.
    pub fields: &'a [FieldValue<'a>],
}

/// The value of a record's field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// The record has no such field, or it is null.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'a str),
}

impl<'a> Input<'a> {
    /// A record, before any reading is made of it.
    #[must_use]
    pub fn of_record(fields: &'a [FieldValue<'a>]) -> Self {
        Self { value: f64::NAN, time_ms: 0, series: "", labels: &[], fields }
    }

    fn field(&self, number: usize) -> Result<FieldValue<'a>, EvalError> {
        match self.fields.get(number) {
            Some(FieldValue::Missing) | None => Err(EvalError::NoField),
            Some(value) => Ok(*value),
        }
    }

    fn label(&self, name: &str) -> Option<&'a str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The compiler.
#[derive(Debug)]
pub enum Expression {}

impl Expression {
    /// Compiles an expression, once for all readings.
    ///
    /// # Errors
    /// The first mistake, its place in `text`, and what would be right.
    pub fn compile(text: &str, want: ExpressionType) -> Result<Program, CompileError> {
        Self::compile_over(text, want, None)
    }

    /// Compiles a condition over the fields of a record, whose names are its only variables.
    ///
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile_for_records(text: &str) -> Result<Program, CompileError> {
        Self::compile_over(text, ExpressionType::Condition, Some(Vec::new()))
    }

    fn compile_over(
        text: &str,
        want: ExpressionType,
        fields: Option<Vec<String>>,
    ) -> Result<Program, CompileError> {
        if text.len() > TEXT_BYTES_MAX {
            let what =
                format!("the expression has {} bytes, above the limit of {TEXT_BYTES_MAX}", text.len());
            let fix = "write it shorter, or split it over two streams";
            let boundary = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            return Err(CompileError::new(&(boundary..text.len()), what, fix));
        }
        let ast = parse::parse(token::tokens(text)?)?;
        let Checked { outcome, reads_reading, fields, labels } = check::check(text, &ast, want, fields)?;
        let labels = labels.into_iter().map(|label| (label.text, label.span)).collect();
        Ok(Program { outcome, reads_reading, fields, labels })
    }
}

/// A compiled expression.
#[derive(Debug)]
pub struct Program {
    outcome: Outcome,
    reads_reading: bool,
    fields: Vec<String>,
    labels: Vec<(String, Range<usize>)>,
}

/// The two kinds of results.
#[derive(Debug)]
enum Outcome {
    Condition(Bool),
    Number(Double),
}

impl Program {
    /// Whether the condition is true for a reading.
    ///
    /// # Errors
    /// CEL's runtime errors; [`EvalError::OtherKind`] if it was compiled as [`ExpressionType::Number`].
    pub fn filter(&self, input: &Input<'_>) -> Result<bool, EvalError> {
        match &self.outcome {
            Outcome::Condition(condition) => condition.eval(input),
            Outcome::Number(_) => Err(EvalError::OtherKind),
        }
    }

    /// The number for a reading, always finite; a whole number comes as the nearest double.
    ///
    /// # Errors
    /// CEL's runtime errors; [`EvalError::NotFinite`]; [`EvalError::OtherKind`] if it was compiled as
    /// [`ExpressionType::Condition`].
    pub fn number(&self, input: &Input<'_>) -> Result<f64, EvalError> {
        match &self.outcome {
            Outcome::Number(number) => {
                number.eval(input).and_then(|x| if x.is_finite() { Ok(x) } else { Err(EvalError::NotFinite) })
            }
            Outcome::Condition(_) => Err(EvalError::OtherKind),
        }
    }

    /// The paths of the fields that it reads, as `a/b`; [`Input::fields`] has their values.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The labels that it reads without asking `has` for them, with their places in the text (bytes): without one of
    /// these it has no value.
    #[must_use]
    pub fn labels(&self) -> &[(String, Range<usize>)] {
        &self.labels
    }

    /// Whether the outcome depends on the reading itself (`value`, `time`): if not, it is the same for all readings of
    /// a series, and need be asked for only once.
    #[must_use]
    pub fn reads_reading(&self) -> bool {
        self.reads_reading
    }
}
