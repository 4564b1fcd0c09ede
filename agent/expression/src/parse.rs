//! Parses tokens into a tree, by CEL's own grammar and precedence.
//!
//! Source: the grammar of the CEL language definition. As there, the middle of `?:` cannot itself be `?:`, and signs
//! do not mix (`!-x`). Nesting and the height of the tree are bounded by [`DEPTH_MAX`], so that no walk over the tree
//! can overflow the stack; a chain of `&&` or `||` is one part and may be as long as the text.

use crate::DEPTH_MAX;
use crate::ast::{Arithmetic, Ast, AstKind, Binary, Compare, SpannedName};
use crate::error::CompileError;
use crate::token::{Token, Word};
use std::ops::Range;

/// Words that CEL reserves.
const RESERVED: [&str; 21] = [
    "in",
    "true",
    "false",
    "null",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Words of other languages, in lower case, with CEL's word.
const STRANGE: [(&str, &str); 5] = [
    ("and", "write `&&`"),
    ("or", "write `||`"),
    ("not", "write `!`, as in !(a in b)"),
    ("is", "write `==`"),
    ("between", "write two comparisons, as in value > 1.0 && value < 2.0"),
];

/// The precedence of operators; `?:` is below all of them.
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;

/// Parses the whole text.
/// # Errors
/// The first token that cannot stand where it stands, or the place where the expression is too deep.
pub(crate) fn parse(tokens: Vec<Token>) -> Result<Ast, CompileError> {
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), end: 0, depth: 0 };
    let ast = parser.expression()?;
    match parser.peek() {
        Word::End => Ok(ast),
        _ => Err(parser.unexpected("an operator")),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// The end of the last token taken.
    end: usize,
    depth: usize,
}

/// An infix operator.
#[derive(Clone, Copy)]
enum Infix {
    Logic(bool),
    Binary(Binary),
}

impl Parser {
    fn peek(&mut self) -> &Word {
        self.tokens.peek().map_or(&Word::End, |token| &token.kind)
    }

    fn span(&mut self) -> Range<usize> {
        let end = self.end;
        self.tokens.peek().map_or(end..end, |token| token.span.clone())
    }

    /// Takes the next token.
    fn next(&mut self) -> Word {
        self.tokens.next().map_or(Word::End, |token| {
            self.end = token.span.end;
            token.kind
        })
    }

    fn eat(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Word::Sign(sign);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), CompileError> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn node(&self, kind: AstKind, start: usize) -> Result<Ast, CompileError> {
        let ast = Ast::new(kind, start..self.end);
        if ast.height > DEPTH_MAX { Err(too_deep(&ast.span)) } else { Ok(ast) }
    }

    fn expression(&mut self) -> Result<Ast, CompileError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep(&self.span()));
        }
        let start = self.span().start;
        let mut ast = self.infix(OR)?;
        if self.eat("?") {
            let yes = self.infix(OR)?;
            self.expect(":")?;
            let no = self.expression()?;
            ast = self.node(AstKind::If(Box::new([ast, yes, no])), start)?;
        }
        self.depth -= 1;
        Ok(ast)
    }

    /// Parses operands joined by operators of at least the precedence `weakest`, from left to right.
    fn infix(&mut self, weakest: u8) -> Result<Ast, CompileError> {
        let start = self.span().start;
        let mut left = self.unary()?;
        while let Some((infix, strength)) = infix_of(self.peek())
            && strength >= weakest
        {
            self.next();
            let right = self.infix(strength + 1)?;
            let kind = match (infix, left.kind) {
                (Infix::Logic(this), AstKind::Logic { decisive, mut terms }) if this == decisive => {
                    terms.push(right);
                    AstKind::Logic { decisive, terms }
                }
                (Infix::Logic(decisive), kind) => {
                    AstKind::Logic { decisive, terms: vec![Ast { kind, ..left }, right] }
                }
                (Infix::Binary(binary), kind) => {
                    AstKind::Binary(binary, Box::new(Ast { kind, ..left }), Box::new(right))
                }
            };
            left = self.node(kind, start)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Ast, CompileError> {
        let mut starts = Vec::new();
        let sign = if *self.peek() == Word::Sign("!") { "!" } else { "-" };
        while *self.peek() == Word::Sign(sign) {
            starts.push(self.span().start);
            self.next();
        }
        // The sign belongs to the number, so that the smallest one can be written.
        let is_number = sign == "-" && matches!(self.peek(), Word::Int(_) | Word::Double(_));
        let number_start = if is_number { starts.pop() } else { None };
        let inner = number_start.unwrap_or(self.span().start);
        let mut ast = self.member(number_start.is_some(), inner)?;
        while let Some(start) = starts.pop() {
            let part = Box::new(ast);
            ast = self.node(if sign == "!" { AstKind::Not(part) } else { AstKind::Negative(part) }, start)?;
        }
        Ok(ast)
    }

    fn member(&mut self, negative: bool, start: usize) -> Result<Ast, CompileError> {
        let mut ast = self.primary(negative, start)?;
        loop {
            let kind = if self.eat(".") {
                let name = self.field()?;
                match self.eat("(") {
                    true => AstKind::Call(Some(Box::new(ast)), name, self.list(")")?),
                    false => AstKind::Select(Box::new(ast), name),
                }
            } else if self.eat("[") {
                let key = self.expression()?;
                self.expect("]")?;
                AstKind::Index(Box::new(ast), Box::new(key))
            } else {
                return Ok(ast);
            };
            ast = self.node(kind, start)?;
        }
    }

    /// The name after a point.
    fn field(&mut self) -> Result<SpannedName, CompileError> {
        let span = self.span();
        match self.next() {
            Word::Name(text) if RESERVED.contains(&text.as_str()) => {
                let fix = format!("write it as a key, as in labels[\"{text}\"]");
                Err(CompileError::new(&span, format!("`{text}` is a word of CEL's own"), fix))
            }
            Word::Name(text) => Ok(SpannedName { text, span }),
            _ => Err(CompileError::new(&span, "no name after the point", "write one, as in labels.zone")),
        }
    }

    fn primary(&mut self, negative: bool, start: usize) -> Result<Ast, CompileError> {
        if !matches!(self.peek(), Word::Int(_) | Word::Double(_) | Word::Text(_) | Word::Name(_))
            && !matches!(self.peek(), Word::Sign("(" | "["))
        {
            return Err(self.unexpected("a value"));
        }
        let span = self.span();
        let kind = match self.next() {
            Word::Int(magnitude) => AstKind::Int(signed(magnitude, negative, &(start..self.end))?),
            Word::Double(value) => AstKind::Double(if negative { -value } else { value }),
            Word::Text(text) => AstKind::Text(text),
            Word::Name(name) => self.name(name, span)?,
            Word::Sign("[") => AstKind::List(self.list("]")?),
            _ => {
                let inner = self.expression()?;
                self.expect(")")?;
                // A part in brackets has the place of the brackets.
                return Ok(Ast { span: start..self.end, ..inner });
            }
        };
        self.node(kind, start)
    }

    fn name(&mut self, name: String, span: Range<usize>) -> Result<AstKind, CompileError> {
        match name.as_str() {
            "true" => return Ok(AstKind::Bool(true)),
            "false" => return Ok(AstKind::Bool(false)),
            _ => {}
        }
        if let Some(error) = strange_word(&name, &span) {
            return Err(error);
        }
        if self.eat("(") {
            return Ok(AstKind::Call(None, SpannedName { text: name, span }, self.list(")")?));
        }
        Ok(AstKind::Name(name))
    }

    /// Parses expressions between commas up to `end`, which it takes.
    fn list(&mut self, end: &'static str) -> Result<Vec<Ast>, CompileError> {
        let mut parts = Vec::new();
        while !self.eat(end) {
            if !parts.is_empty() {
                self.expect(",").map_err(|_| self.unexpected(&format!("`,` or `{end}`")))?;
            }
            parts.push(self.expression()?);
        }
        Ok(parts)
    }

    /// The error at a token other than the `wanted` one.
    fn unexpected(&mut self, wanted: &str) -> CompileError {
        let span = self.span();
        let (found, fix) = match self.peek() {
            Word::End => ("the expression ends too early".to_owned(), format!("write {wanted} here")),
            Word::Name(name) => match strange_word(name, &span) {
                Some(error) => return error,
                None => (format!("`{name}` cannot stand here"), format!("write {wanted} before it")),
            },
            Word::Sign(",") => {
                ("`,` cannot stand here".to_owned(), "write decimals with a point, as in 1.5".to_owned())
            }
            Word::Sign(sign) => (format!("`{sign}` cannot stand here"), format!("write {wanted} here")),
            Word::Text(_) => ("a string cannot stand here".to_owned(), format!("write {wanted} before it")),
            Word::Int(_) | Word::Double(_) => {
                ("a number cannot stand here".to_owned(), format!("write {wanted} before it"))
            }
        };
        CompileError::new(&span, found, fix)
    }
}

fn infix_of(word: &Word) -> Option<(Infix, u8)> {
    let compare = |compare| (Infix::Binary(Binary::Compare(compare)), RELATION);
    let arithmetic = |arithmetic, strength| (Infix::Binary(Binary::Arithmetic(arithmetic)), strength);
    Some(match word {
        Word::Sign("||") => (Infix::Logic(true), OR),
        Word::Sign("&&") => (Infix::Logic(false), AND),
        Word::Sign("==") => compare(Compare::Equal),
        Word::Sign("!=") => compare(Compare::NotEqual),
        Word::Sign("<") => compare(Compare::Less),
        Word::Sign("<=") => compare(Compare::AtMost),
        Word::Sign(">") => compare(Compare::Greater),
        Word::Sign(">=") => compare(Compare::AtLeast),
        Word::Name(name) if name == "in" => (Infix::Binary(Binary::In), RELATION),
        Word::Sign("+") => arithmetic(Arithmetic::Add, SUM),
        Word::Sign("-") => arithmetic(Arithmetic::Subtract, SUM),
        Word::Sign("*") => arithmetic(Arithmetic::Multiply, PRODUCT),
        Word::Sign("/") => arithmetic(Arithmetic::Divide, PRODUCT),
        Word::Sign("%") => arithmetic(Arithmetic::Remainder, PRODUCT),
        _ => return None,
    })
}

fn signed(magnitude: u64, negative: bool, span: &Range<usize>) -> Result<i64, CompileError> {
    let value = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.ok_or_else(|| {
        let fix = "write it with a point, as in 1e19, to make it a double";
        CompileError::new(span, "a whole number past 64 bits", fix)
    })
}

/// The error at a word of another language.
fn strange_word(name: &str, span: &Range<usize>) -> Option<CompileError> {
    let lower = name.to_ascii_lowercase();
    let what = format!("`{name}` is no word of CEL");
    let other = STRANGE.iter().find(|(word, _)| *word == lower);
    if let Some((_, fix)) = other {
        return Some(CompileError::new(span, what, *fix));
    }
    if matches!(lower.as_str(), "true" | "false") && !matches!(name, "true" | "false") {
        return Some(CompileError::new(span, what, format!("write `{lower}`")));
    }
    RESERVED.contains(&name).then(|| {
        let fix = match name {
            "null" => "ask for a label with has(labels.zone); numbers are never null",
            "if" | "else" => "write condition ? this : that",
            _ => "leave it out, or put text in quotes",
        };
        CompileError::new(span, format!("`{name}` cannot stand here"), fix)
    })
}

fn too_deep(span: &Range<usize>) -> CompileError {
    let what = format!("the expression is nested more than {DEPTH_MAX} deep");
    CompileError::new(span, what, "write it flatter, or split it over two streams")
}
