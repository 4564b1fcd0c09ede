//! Splits text into tokens, each with its place; numbers and strings are read here.
//!
//! Source: the lexis of the CEL language definition. Left out: bytes (`b"…"`), unsigned numbers (`5u`), `{`.

mod literal;

use crate::error::CompileError;
use std::ops::Range;

/// A word or sign of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Word,
    pub(crate) span: Range<usize>,
}

/// The kinds of tokens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    /// The magnitude of a whole number; the parser adds its sign.
    Int(u64),
    Double(f64),
    Text(String),
    Name(String),
    Sign(&'static str),
    End,
}

/// All signs of the language, longer ones first.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", ".", ",", "?", ":", "+", "-", "*", "/", "%", "!",
    "<", ">",
];

/// Signs of other languages that start like one of CEL's, with CEL's sign.
const STRANGE_LONG: [(&str, &str); 7] = [
    ("===", "write `==`"),
    ("!==", "write `!=`"),
    ("<>", "write `!=`"),
    ("=<", "write `<=`"),
    ("=>", "write `>=`"),
    ("=~", "write contains, startsWith or endsWith, as in series.endsWith(\"/temp\")"),
    ("**", "write the product out, as in value * value"),
];

/// Signs of other languages, with CEL's sign.
const STRANGE: [(&str, &str); 15] = [
    ("=", "write `==` to compare"),
    ("&", "write `&&`"),
    ("|", "write `||`"),
    ("^", "write a power as a product, as in value * value"),
    ("≤", "write `<=`"),
    ("≥", "write `>=`"),
    ("≠", "write `!=`"),
    ("−", "write `-`"),
    ("×", "write `*`"),
    ("{", "write a list in square brackets; maps and messages are not supported"),
    (";", "leave it out: an expression is one condition or one number"),
    ("“", "write a plain \" or '"),
    ("”", "write a plain \" or '"),
    ("‘", "write a plain \" or '"),
    ("’", "write a plain \" or '"),
];

/// The tokens of a text, the last of them [`Word::End`].
///
/// # Errors
/// The first character that starts no token, or the first literal that is not sound.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, CompileError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let done = token.kind == Word::End;
        tokens.push(token);
        if done {
            return Ok(tokens);
        }
    }
}

/// A cursor in a text; `at` is always on a character boundary.
struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes `what` if it comes next.
    fn eat(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    /// Takes characters as long as they are `wanted`, and returns them.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    fn token(&mut self) -> Result<Token, CompileError> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.peek() {
            None => Word::End,
            Some('"' | '\'') => self.string(start, false)?,
            Some(c) if c.is_ascii_digit() => self.number(start)?,
            Some('.') if self.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => {
                self.number(start)?
            }
            Some(c) if is_name(c) => self.name_or_string(start)?,
            Some(_) => self.sign(start)?,
        };
        Ok(Token { kind, span: start..self.at })
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| !matches!(c, '\n' | '\r'));
        }
    }

    fn name_or_string(&mut self, start: usize) -> Result<Word, CompileError> {
        let name = self.take_while(is_name);
        let quoted = matches!(self.peek(), Some('"' | '\''));
        match name {
            "r" | "R" if quoted => self.string(start, true),
            _ if quoted && matches!(name.to_ascii_lowercase().as_str(), "b" | "br" | "rb") => {
                let fix = "leave the b away: series and labels are strings";
                Err(CompileError::new(&(start..self.at), "bytes are not supported", fix))
            }
            _ => Ok(Word::Name(name.to_owned())),
        }
    }

    fn sign(&mut self, start: usize) -> Result<Word, CompileError> {
        let strange = |table: &[(&'static str, &'static str)], rest: &str| {
            table.iter().find(|(sign, _)| rest.starts_with(sign)).copied()
        };
        let long = strange(&STRANGE_LONG, self.rest());
        if long.is_none()
            && let Some(sign) = SIGNS.into_iter().find(|sign| self.eat(sign))
        {
            return Ok(Word::Sign(sign));
        }
        let (sign, fix) = match long.or_else(|| strange(&STRANGE, self.rest())) {
            Some((sign, fix)) => (sign.to_owned(), fix),
            None => (self.peek().unwrap_or_default().to_string(), "leave it out, or put text in quotes"),
        };
        let span = start..start + sign.len();
        Err(CompileError::new(&span, format!("`{}` is no sign of CEL", sign.escape_debug()), fix))
    }
}

/// Whether a name may contain a character; the caller checks that it does not start with a digit.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
