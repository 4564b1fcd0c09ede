//! Fields of records: their types are known only at evaluation, so each takes the type that its place needs.

use super::{Checker, Typed, is_name};
use crate::ast::{Ast, AstKind};
use crate::error::CompileError;
use crate::node::{Bool, Double, TextNode};
use std::ops::Range;

/// What stands for the record itself, so that any field can be named: `record["a b"]`.
const RECORD: &str = "record";

impl Checker<'_> {
    /// The field that a part names; `None`: the part is no field, or there are none here.
    pub(super) fn field(&mut self, part: &Ast) -> Option<usize> {
        let fields = self.fields.as_mut()?;
        let path = path(part)?;
        let known = fields.iter().position(|known| *known == path);
        Some(known.unwrap_or_else(|| {
            fields.push(path);
            fields.len() - 1
        }))
    }

    /// Gives a field beside a typed part that part's type.
    pub(super) fn alike(
        &mut self,
        (a, b): (Typed, Typed),
        span: &Range<usize>,
    ) -> Result<(Typed, Typed), CompileError> {
        Ok(match (a, b) {
            (Typed::Field(_), Typed::Field(_)) => {
                let fix = "say that they are numbers, as in double(a) > double(b)";
                return Err(CompileError::new(span, "both sides are fields, whose types are not known", fix));
            }
            (Typed::Field(field), other) => (of_type(field, &other), other),
            (other, Typed::Field(field)) => {
                let field = of_type(field, &other);
                (other, field)
            }
            typed => typed,
        })
    }

    /// Gives a field before `in` the type of the list's first entry.
    pub(super) fn alike_first(&mut self, sought: Typed, entries: &[Ast]) -> Result<Typed, CompileError> {
        match (sought, entries.first()) {
            (Typed::Field(field), Some(first)) => {
                let first = self.part(first)?;
                Ok(of_type(field, &first))
            }
            (sought, _) => Ok(sought),
        }
    }
}

/// The path of a field: `a`, `a.b`, `a["b"]`, `a[0]`, `record["a"]`.
fn path(part: &Ast) -> Option<String> {
    let below = |of: &Ast, name: &str| {
        if is_name(of, RECORD) {
            Some(name.to_owned())
        } else {
            path(of).map(|above| format!("{above}/{name}"))
        }
    };
    match &part.kind {
        AstKind::Name(name) if name != RECORD => Some(name.clone()),
        AstKind::Select(of, name) => below(of, &name.text),
        AstKind::Index(of, key) => match &key.kind {
            AstKind::Text(name) => below(of, name),
            AstKind::Int(at) => below(of, &at.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The field as the type of another part; a number is a double.
fn of_type(field: usize, other: &Typed) -> Typed {
    match other {
        Typed::Bool(_) => Typed::Bool(Bool::Field(field)),
        Typed::Text(_) => Typed::Text(TextNode::Field(field)),
        Typed::Int(_) | Typed::Double(_) | Typed::Time(_) | Typed::Field(_) => Typed::number(field),
    }
}

impl Typed {
    /// A field that is a number.
    fn number(field: usize) -> Self {
        Self::Double(Double::Field(field))
    }

    /// As part of a calculation, where a field is a number.
    pub(super) fn calculable(self) -> Self {
        if let Self::Field(field) = self { Self::number(field) } else { self }
    }
}
