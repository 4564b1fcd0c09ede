//! Type checking: turns the parsed tree into the typed tree that is evaluated, or into an error with the way out.
//!
//! Where CEL would find no overload at evaluation, this refuses at compilation. The one liberty: a whole number made
//! of literals (without `/` and `%`, which would silently drop a fraction) becomes a double where a double is needed.
//! Comparisons of int and double are CEL's own, exact.

mod arithmetic;
mod call;
mod field;
mod functions;
mod relation;
mod unknown;

use crate::ast::{Ast, AstKind, Binary, SpannedName};
use crate::error::CompileError;
use crate::node::{Bool, Double, Function, Int, TextNode, TimeNode};
use crate::{ExpressionType, Outcome};
use std::ops::Range;

/// A part with its type.
enum Typed {
    Bool(Bool),
    Int(Int),
    Double(Double),
    Text(TextNode),
    Time(TimeNode),
    /// A field of a record, whose type its place decides.
    Field(usize),
}

/// What checking finds.
pub(crate) struct Checked {
    pub(crate) outcome: Outcome,
    pub(crate) reads_reading: bool,
    /// The paths of the record's fields.
    pub(crate) fields: Vec<String>,
    /// The labels that it takes for granted.
    pub(crate) labels: Vec<SpannedName>,
}

/// A name that only the `math` functions use; not a value.
const MATH: &str = "math";

/// Checks the types; with `fields`, every name is a field of a record.
///
/// # Errors
/// The first part whose type does not fit its place.
pub(crate) fn check(
    text: &str,
    ast: &Ast,
    want: ExpressionType,
    fields: Option<Vec<String>>,
) -> Result<Checked, CompileError> {
    let mut checker =
        Checker { text, reads_reading: false, fields, labels: Vec::new(), asked_labels: Vec::new() };
    let typed = match (want, checker.part(ast)?) {
        (ExpressionType::Condition, Typed::Field(field)) => Typed::Bool(Bool::Field(field)),
        (_, typed) => typed,
    };
    let found = typed.name();
    let outcome = match (want, typed) {
        (ExpressionType::Condition, Typed::Bool(condition)) => Outcome::Condition(condition),
        (ExpressionType::Number, Typed::Double(number)) => Outcome::Number(number),
        (ExpressionType::Number, Typed::Int(number)) => Outcome::Number(Double::of_int(number)),
        (ExpressionType::Condition, other) => {
            let what = format!("a condition is needed, true or false, but this is {found}");
            return Err(CompileError::new(&ast.span, what, other.into_condition()));
        }
        (ExpressionType::Number, other) => {
            let what = format!("a number is needed, but this is {found}");
            return Err(CompileError::new(&ast.span, what, other.into_number()));
        }
    };
    let Checker { reads_reading, fields, mut labels, asked_labels, .. } = checker;
    labels.retain(|label| !asked_labels.contains(&label.text));
    Ok(Checked { outcome, reads_reading, fields: fields.unwrap_or_default(), labels })
}

struct Checker<'a> {
    /// The expression, to be quoted in errors.
    text: &'a str,
    /// Whether `value` or `time` was used.
    reads_reading: bool,
    /// The fields that were named; `None`: the expression is over a reading.
    fields: Option<Vec<String>>,
    /// The labels that are read by their name.
    labels: Vec<SpannedName>,
    /// The labels that are asked for before they are read.
    asked_labels: Vec<String>,
}

impl Checker<'_> {
    fn part(&mut self, ast: &Ast) -> Result<Typed, CompileError> {
        if let Some(field) = self.field(ast) {
            return Ok(Typed::Field(field));
        }
        Ok(match &ast.kind {
            AstKind::Bool(value) => Typed::Bool(Bool::Const(*value)),
            AstKind::Int(value) => Typed::Int(Int::Const(*value)),
            AstKind::Double(value) => Typed::Double(Double::Const(*value)),
            AstKind::Text(text) => Typed::Text(constant(text)),
            AstKind::Name(name) => self.name(name, &ast.span)?,
            AstKind::Select(operand, _) | AstKind::Index(operand, _) if !is_name(operand, "labels") => {
                return Err(self.no_fields(operand));
            }
            AstKind::Select(_, name) => {
                self.labels.push(SpannedName { text: name.text.clone(), span: name.span.clone() });
                Typed::Text(TextNode::Label(Box::new(constant(&name.text))))
            }
            AstKind::Index(_, key) => {
                let name = self.text_part(key, "the name of a label")?;
                if let TextNode::Const(text) = &name {
                    self.labels.push(SpannedName { text: text.to_string(), span: key.span.clone() });
                }
                Typed::Text(TextNode::Label(Box::new(name)))
            }
            AstKind::Call(receiver, name, arguments) => {
                self.call(receiver.as_deref(), name, arguments, &ast.span)?
            }
            AstKind::Not(part) => Typed::Bool(Bool::Not(Box::new(self.bool_part(part, "`!`")?))),
            AstKind::Negative(part) => self.negative(part)?,
            AstKind::Logic { decisive, terms } => {
                let sign = if *decisive { "`||`" } else { "`&&`" };
                let terms = terms.iter().map(|term| self.bool_part(term, sign)).collect::<Result<_, _>>()?;
                Typed::Bool(Bool::Logic { decisive: *decisive, terms })
            }
            AstKind::If(parts) => self.choice(parts)?,
            AstKind::Binary(Binary::Arithmetic(operator), a, b) => {
                self.arithmetic(*operator, a, b, &ast.span)?
            }
            AstKind::Binary(Binary::Compare(relation), a, b) => {
                Typed::Bool(self.relation(*relation, a, b, &ast.span)?)
            }
            AstKind::Binary(Binary::In, part, list) => Typed::Bool(self.membership(part, list)?),
            AstKind::List(_) => {
                let fix = "it stands after `in`, as in labels.zone in [\"a\", \"b\"]";
                return Err(CompileError::new(&ast.span, "a list cannot stand here", fix));
            }
        })
    }

    fn name(&mut self, name: &str, span: &Range<usize>) -> Result<Typed, CompileError> {
        self.reads_reading |= matches!(name, "value" | "time");
        match name {
            "value" => Ok(Typed::Double(Double::Value)),
            "series" => Ok(Typed::Text(TextNode::Series)),
            "time" => Ok(Typed::Time(TimeNode::Reading)),
            "labels" => {
                let fix = "name one, as in labels.zone, or ask \"zone\" in labels";
                Err(CompileError::new(span, "`labels` is all of them at once", fix))
            }
            MATH => Err(CompileError::new(
                span,
                "`math` is no value",
                "call one of its functions, as in math.abs(value)",
            )),
            _ => Err(unknown::name(name, span)),
        }
    }

    fn no_fields(&mut self, operand: &Ast) -> CompileError {
        if is_name(operand, MATH) {
            let fix = "call one of its functions, as in math.abs(value)";
            return CompileError::new(&operand.span, "`math` has functions only", fix);
        }
        match self.part(operand) {
            Err(error) => error,
            Ok(typed) => {
                let what = format!("a field or an element of {}: only labels have them", typed.name());
                CompileError::new(&operand.span, what, "write labels.zone, or call a function with ()")
            }
        }
    }

    fn negative(&mut self, part: &Ast) -> Result<Typed, CompileError> {
        match self.part(part)?.calculable() {
            Typed::Int(of) => Ok(Typed::Int(arithmetic::negative(of))),
            Typed::Double(Double::Const(value)) => Ok(Typed::Double(Double::Const(-value))),
            Typed::Double(of) => Ok(Typed::Double(Double::Shaped(Function::Negative, Box::new(of)))),
            other => {
                let what = format!("`-` takes a number, but this is {}", other.name());
                Err(CompileError::new(&part.span, what, other.into_number()))
            }
        }
    }

    fn choice(&mut self, [test, yes, no]: &[Ast; 3]) -> Result<Typed, CompileError> {
        let test = self.bool_part(test, "the part before `?`")?;
        let sides = (self.part(yes)?, self.part(no)?);
        Ok(match self.alike(sides, &no.span)? {
            (Typed::Bool(a), Typed::Bool(b)) => Typed::Bool(Bool::If(Box::new((test, a, b)))),
            (Typed::Int(a), Typed::Int(b)) => Typed::Int(Int::If(Box::new((test, a, b)))),
            (Typed::Text(a), Typed::Text(b)) => Typed::Text(TextNode::If(Box::new((test, a, b)))),
            (Typed::Time(a), Typed::Time(b)) => Typed::Time(TimeNode::If(Box::new((test, a, b)))),
            (a @ (Typed::Double(_) | Typed::Int(_)), b @ (Typed::Double(_) | Typed::Int(_))) => {
                let (a, b) = (self.adapted(a, yes)?, self.adapted(b, no)?);
                Typed::Double(Double::If(Box::new((test, a, b))))
            }
            (a, b) => {
                let what = format!("after `?` is {}, after `:` is {}", a.name(), b.name());
                return Err(CompileError::new(&no.span, what, "give both sides one type"));
            }
        })
    }

    fn bool_part(&mut self, part: &Ast, taker: &str) -> Result<Bool, CompileError> {
        match self.part(part)? {
            Typed::Bool(of) => Ok(of),
            Typed::Field(field) => Ok(Bool::Field(field)),
            other => {
                let what = format!("{taker} takes a condition, but this is {}", other.name());
                Err(CompileError::new(&part.span, what, other.into_condition()))
            }
        }
    }

    fn text_part(&mut self, part: &Ast, taker: &str) -> Result<TextNode, CompileError> {
        match self.part(part)? {
            Typed::Text(of) => Ok(of),
            Typed::Field(field) => Ok(TextNode::Field(field)),
            other => {
                let what = format!("{taker} is a string, but this is {}", other.name());
                Err(CompileError::new(&part.span, what, "put text in quotes"))
            }
        }
    }

    /// A double; a whole number made of literals is converted.
    fn adapted(&self, typed: Typed, part: &Ast) -> Result<Double, CompileError> {
        match typed {
            Typed::Double(of) => Ok(of),
            Typed::Field(field) => Ok(Double::Field(field)),
            Typed::Int(Int::Const(value)) => Ok(Double::Const(value as f64)),
            Typed::Int(_) if arithmetic::divides(part) => {
                let what = format!("`{}` divides whole numbers and drops the fraction", self.quote(part));
                Err(CompileError::new(&part.span, what, "write doubles, as in 9.0 / 5.0"))
            }
            Typed::Int(_) => {
                let what = format!("a double is needed, but `{}` is an int", self.quote(part));
                Err(CompileError::new(&part.span, what, format!("write double({})", self.quote(part))))
            }
            other => {
                let what = format!("a number is needed, but this is {}", other.name());
                Err(CompileError::new(&part.span, what, other.into_number()))
            }
        }
    }

    /// The text of a part, if it is short.
    fn quote(&self, part: &Ast) -> &str {
        const SHORT: usize = 40; // bytes
        self.text.get(part.span.clone()).filter(|text| text.len() <= SHORT).unwrap_or("…")
    }
}

fn is_name(part: &Ast, name: &str) -> bool {
    matches!(&part.kind, AstKind::Name(found) if found == name)
}

fn constant(text: &str) -> TextNode {
    TextNode::Const(text.into())
}

impl Double {
    fn of_int(of: Int) -> Self {
        match of {
            Int::Const(value) => Self::Const(value as f64),
            of => Self::FromInt(Box::new(of)),
        }
    }
}

impl Typed {
    fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Double(_) => "a double",
            Self::Text(_) => "a string",
            Self::Time(_) => "a timestamp",
            Self::Field(_) => "a field",
        }
    }

    /// How to make it a condition.
    fn into_condition(self) -> &'static str {
        match self {
            Self::Bool(_) => "use it as it is",
            Self::Int(_) | Self::Double(_) => "compare it, as in value > 0.0",
            Self::Text(_) => "compare it, as in labels.zone == \"bed1\"",
            Self::Time(_) => "compare it, as in time.getHours() < 6",
            Self::Field(_) => "compare it, as in field == 1",
        }
    }

    /// How to make it a number.
    fn into_number(self) -> &'static str {
        match self {
            Self::Bool(_) => "write condition ? 1.0 : 0.0",
            Self::Int(_) | Self::Double(_) => "use it as it is",
            Self::Text(_) => "read a number from text with double(), as in double(labels.offset)",
            Self::Time(_) => "write int(time) for seconds since 1970, or time.getHours() and its like",
            Self::Field(_) => "write double(field)",
        }
    }
}
