//! The parsed expression: every part has its place, and none is deeper than [`crate::DEPTH_MAX`].

use std::ops::Range;

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Ast {
    pub(crate) kind: AstKind,
    pub(crate) span: Range<usize>,
    /// 1 for a leaf; bounds the recursion of everything that walks the tree.
    pub(crate) height: usize,
}

/// The kinds of parts.
#[derive(Debug)]
pub(crate) enum AstKind {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Name(String),
    List(Vec<Ast>),
    /// `operand.name`
    Select(Box<Ast>, SpannedName),
    /// `operand[key]`
    Index(Box<Ast>, Box<Ast>),
    /// `name(…)` or `receiver.name(…)`
    Call(Option<Box<Ast>>, SpannedName, Vec<Ast>),
    Not(Box<Ast>),
    Negative(Box<Ast>),
    /// `&&` (`false` decides) or `||` (`true` decides), two or more.
    Logic {
        decisive: bool,
        terms: Vec<Ast>,
    },
    Binary(Binary, Box<Ast>, Box<Ast>),
    If(Box<[Ast; 3]>),
}

/// A name with its place.
#[derive(Debug)]
pub(crate) struct SpannedName {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// Binary operators that evaluate both operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Arithmetic(Arithmetic),
    Compare(Compare),
    In,
}

/// `+ - * / %`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// `== != < <= > >=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Ast {
    /// Makes a part, one higher than the highest of its own parts.
    pub(crate) fn new(kind: AstKind, span: Range<usize>) -> Self {
        let highest = |parts: &[Self]| parts.iter().map(|part| part.height).max().unwrap_or(0);
        let below = match &kind {
            AstKind::Bool(_) | AstKind::Int(_) | AstKind::Double(_) | AstKind::Text(_) | AstKind::Name(_) => {
                0
            }
            AstKind::List(parts) | AstKind::Logic { terms: parts, .. } => highest(parts),
            AstKind::Select(part, _) | AstKind::Not(part) | AstKind::Negative(part) => part.height,
            AstKind::Index(a, b) | AstKind::Binary(_, a, b) => a.height.max(b.height),
            AstKind::Call(receiver, _, parts) => {
                highest(parts).max(receiver.as_ref().map_or(0, |receiver| receiver.height))
            }
            AstKind::If(parts) => highest(parts.as_slice()),
        };
        Self { kind, span, height: below + 1 }
    }
}
