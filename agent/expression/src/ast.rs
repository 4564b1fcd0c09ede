//! The expression as written: every part with its place, no part deeper than [`crate::DEPTH_MAX`].

use std::ops::Range;

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Ast {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
    /// 1 for a leaf; bounds the recursion of everything that walks the tree.
    pub(crate) height: usize,
}

/// What a part is.
#[derive(Debug)]
pub(crate) enum Kind {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Name(String),
    List(Vec<Ast>),
    /// `operand.name`
    Select(Box<Ast>, Name),
    /// `operand[key]`
    Index(Box<Ast>, Box<Ast>),
    /// `name(…)` or `receiver.name(…)`
    Call(Option<Box<Ast>>, Name, Vec<Ast>),
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
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// Operators of two operands that are evaluated both.
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
    /// A part that is one higher than the highest of its own parts.
    pub(crate) fn new(kind: Kind, span: Range<usize>) -> Self {
        let highest = |parts: &[Self]| parts.iter().map(|part| part.height).max().unwrap_or(0);
        let below = match &kind {
            Kind::Bool(_) | Kind::Int(_) | Kind::Double(_) | Kind::Text(_) | Kind::Name(_) => 0,
            Kind::List(parts) | Kind::Logic { terms: parts, .. } => highest(parts),
            Kind::Select(part, _) | Kind::Not(part) | Kind::Negative(part) => part.height,
            Kind::Index(a, b) | Kind::Binary(_, a, b) => a.height.max(b.height),
            Kind::Call(receiver, _, parts) => {
                highest(parts).max(receiver.as_ref().map_or(0, |receiver| receiver.height))
            }
            Kind::If(parts) => highest(parts.as_slice()),
        };
        Self { kind, span, height: below + 1 }
    }
}
