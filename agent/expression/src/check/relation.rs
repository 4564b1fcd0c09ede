//! Comparisons and `in`.

use super::{Checker, Typed, is_name};
use crate::ast::{Ast, AstKind, Binary, Compare};
use crate::error::CompileError;
use crate::node::{Bool, Double, Int, TextNode};
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn relation(
        &mut self,
        relation: Compare,
        left: &Ast,
        right: &Ast,
        span: &Range<usize>,
    ) -> Result<Bool, CompileError> {
        let sides = (self.part(left)?, self.part(right)?);
        Ok(match self.alike(sides, span)? {
            (Typed::Bool(a), Typed::Bool(b)) => Bool::Bools(relation, Box::new((a, b))),
            (Typed::Int(a), Typed::Int(b)) => Bool::Ints(relation, Box::new((a, b))),
            (Typed::Double(a), Typed::Double(b)) => Bool::Doubles(relation, Box::new((a, b))),
            (Typed::Text(a), Typed::Text(b)) => Bool::Texts(relation, Box::new((a, b))),
            (Typed::Time(a), Typed::Time(b)) => Bool::Times(relation, Box::new((a, b))),
            (Typed::Int(a), Typed::Double(b)) => mixed(relation, a, b),
            (Typed::Double(a), Typed::Int(b)) => mixed(relation.mirrored(), b, a),
            (a, b) => {
                let what = format!("{} cannot be compared with {}", a.name(), b.name());
                let fix = if is_relation(left) || is_relation(right) {
                    "compare twice, as in value > 1.0 && value < 2.0"
                } else {
                    comparable(&a, &b)
                };
                return Err(CompileError::new(span, what, fix));
            }
        })
    }

    pub(super) fn membership(&mut self, part: &Ast, list: &Ast) -> Result<Bool, CompileError> {
        if is_name(list, "labels") {
            let name = self.text_part(part, "the name of a label")?;
            if let TextNode::Const(text) = &name {
                self.asked_labels.push(text.to_string());
            }
            return Ok(Bool::HasLabel(name));
        }
        let AstKind::List(entries) = &list.kind else {
            let found = self.part(list)?;
            let what = format!("`in` takes a list or labels, but this is {}", found.name());
            let fix = match found {
                Typed::Text(_) => "write text.contains(part)",
                _ => "write a list, as in value in [1.0, 2.0]",
            };
            return Err(CompileError::new(&list.span, what, fix));
        };
        let sought = self.part(part)?;
        let typed = self.alike_first(sought, entries)?;
        let constants =
            entries.iter().map(|entry| self.constant(&typed, entry)).collect::<Result<Vec<_>, _>>()?;
        let entries = constants.into_iter();
        Ok(match typed {
            Typed::Text(of) => Bool::TextIn(of, entries.filter_map(Constant::text).collect()),
            Typed::Double(of) => Bool::DoubleIn(of, entries.filter_map(Constant::double).collect()),
            Typed::Int(of) => Bool::IntIn(of, entries.filter_map(Constant::int).collect()),
            Typed::Bool(_) | Typed::Time(_) | Typed::Field(_) => {
                let what = format!("{} cannot be looked up in a list", typed.name());
                return Err(CompileError::new(&part.span, what, "write comparisons with == and ||"));
            }
        })
    }

    /// Reads an entry of a list that is searched for a value of the type of `sought`.
    fn constant(&mut self, sought: &Typed, entry: &Ast) -> Result<Constant, CompileError> {
        let typed = self.part(entry)?;
        let fits = match sought {
            Typed::Text(_) => matches!(typed, Typed::Text(_)),
            _ => matches!(typed, Typed::Int(_) | Typed::Double(_)),
        };
        match typed {
            Typed::Int(Int::Const(value)) if fits => Ok(Constant::Int(value)),
            Typed::Double(Double::Const(value)) if fits => Ok(Constant::Double(value)),
            Typed::Text(TextNode::Const(text)) if fits => Ok(Constant::Text(text)),
            _ if fits => {
                let fix = "write comparisons with == and ||";
                Err(CompileError::new(&entry.span, "a list holds literals only", fix))
            }
            _ => {
                let what = format!("{} in a list where {} is looked up", typed.name(), sought.name());
                Err(CompileError::new(&entry.span, what, comparable(sought, &typed)))
            }
        }
    }
}

/// An entry of a list.
enum Constant {
    Int(i64),
    Double(f64),
    Text(Box<str>),
}

/// Converts the entry to the type that is searched for; `None` if no value of that type equals it.
impl Constant {
    fn text(self) -> Option<Box<str>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn double(self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(value),
            Self::Int(value) => exact(value),
            Self::Text(_) => None,
        }
    }

    fn int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            // A saturating cast does not convert back.
            Self::Double(value) => exact(value as i64).filter(|back| *back == value).map(|_| value as i64),
            Self::Text(_) => None,
        }
    }
}

/// The double that equals an int, if there is one.
fn exact(value: i64) -> Option<f64> {
    let double = value as f64;
    (double as i128 == i128::from(value)).then_some(double)
}

fn mixed(relation: Compare, int: Int, double: Double) -> Bool {
    let constant = if let Int::Const(value) = int { exact(value) } else { None };
    match constant {
        // Mirrored, so that the reading comes first, as it is mostly written.
        Some(constant) => Bool::Doubles(relation.mirrored(), Box::new((double, Double::Const(constant)))),
        None => Bool::Mixed(relation, Box::new((int, double))),
    }
}

fn is_relation(part: &Ast) -> bool {
    matches!(part.kind, AstKind::Binary(Binary::Compare(_), ..))
}

/// How to make two types comparable.
fn comparable(a: &Typed, b: &Typed) -> &'static str {
    let either = |wanted: fn(&Typed) -> bool| wanted(a) || wanted(b);
    let number = either(|typed| matches!(typed, Typed::Int(_) | Typed::Double(_)));
    let text = either(|typed| matches!(typed, Typed::Text(_)));
    if either(|typed| matches!(typed, Typed::Time(_))) {
        return if text {
            "write timestamp(\"2024-01-01T00:00:00Z\")"
        } else {
            "write int(time): seconds since 1970"
        };
    }
    match (number, text) {
        (true, true) => {
            "read a number from text with double(), as in double(labels.limit), or put both in quotes"
        }
        (true, false) => "readings of true and false are 1.0 and 0.0",
        _ => "compare values of one type",
    }
}

impl Compare {
    /// The same relation, seen from the right.
    fn mirrored(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }
}
