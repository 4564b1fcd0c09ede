//! Numbers and strings in CEL's syntax.

use super::{Lexer, Word, is_name};
use crate::error::CompileError;

impl Lexer<'_> {
    /// `12`, `0x1F`, `1.5`, `.5`, `2e-3`.
    pub(super) fn number(&mut self, start: usize) -> Result<Word, CompileError> {
        let hex = self.eat("0x");
        let whole = self.take_while(|c| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() });
        let fraction = !hex && self.fraction(start)?;
        let exponent = !hex && self.exponent();
        if self.peek().is_some_and(is_name) || (hex && whole.is_empty()) {
            return Err(self.bad_number(start));
        }
        if fraction || exponent {
            return self.double(start);
        }
        let value = u64::from_str_radix(whole, if hex { 16 } else { 10 });
        value.map(Word::Int).map_err(|_| {
            let fix = "write it with a point, as in 1e19, to make it a double";
            CompileError::new(&(start..self.at), "a whole number past 64 bits", fix)
        })
    }

    fn fraction(&mut self, start: usize) -> Result<bool, CompileError> {
        let mut after = self.rest().chars().skip(1);
        if self.peek() != Some('.') || after.next().is_some_and(|c| is_name(c) && !c.is_ascii_digit()) {
            return Ok(false);
        }
        self.bump();
        if self.take_while(|c| c.is_ascii_digit()).is_empty() {
            let fix = "write a digit after the point, as in 7.0";
            return Err(CompileError::new(&(start..self.at), "a number that ends with its point", fix));
        }
        Ok(true)
    }

    /// Takes `e12`, `E-3`; a lone `e` is left, and reported by the caller.
    fn exponent(&mut self) -> bool {
        let before = self.at;
        if self.eat("e") || self.eat("E") {
            let _sign = self.eat("+") || self.eat("-");
            if !self.take_while(|c| c.is_ascii_digit()).is_empty() {
                return true;
            }
        }
        self.at = before;
        false
    }

    fn double(&self, start: usize) -> Result<Word, CompileError> {
        let written = self.text.get(start..self.at).unwrap_or("");
        match written.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Word::Double(value)),
            _ => {
                let fix = format!("the largest double is {:e}", f64::MAX);
                Err(CompileError::new(&(start..self.at), "a number past the range of a double", fix))
            }
        }
    }

    fn bad_number(&mut self, start: usize) -> CompileError {
        let suffix = self.take_while(is_name);
        let written = self.text.get(start..self.at).unwrap_or("");
        let fix = match suffix {
            "u" | "U" => "leave the u away: unsigned numbers are not supported".to_owned(),
            _ => "write the number without a unit, in the series' own unit; times of day come from time.getHours()"
                .to_owned(),
        };
        CompileError::new(&(start..self.at), format!("`{written}` is not a number"), fix)
    }

    /// A string; its `r` has been taken, and its quotes come next.
    pub(super) fn string(&mut self, start: usize, raw: bool) -> Result<Word, CompileError> {
        let quote = if self.rest().starts_with('"') { "\"" } else { "'" };
        let triple = quote.repeat(3);
        let is_triple = self.eat(&triple);
        let end = if is_triple { triple.as_str() } else { quote };
        if !is_triple {
            self.eat(quote);
        }
        let mut content = String::new();
        while !self.eat(end) {
            let from = self.at;
            match self.bump() {
                Some('\\') if !raw => content.push(self.escape(from)?),
                Some(c) if is_triple || !matches!(c, '\n' | '\r') => content.push(c),
                _ => {
                    let span = start..start + 1;
                    return Err(CompileError::new(
                        &span,
                        "a string without an end",
                        format!("close it with {end}"),
                    ));
                }
            }
        }
        Ok(Word::Text(content))
    }

    /// The character after a backslash at `from`.
    fn escape(&mut self, from: usize) -> Result<char, CompileError> {
        let code = match self.bump() {
            Some(c @ ('\\' | '?' | '"' | '\'' | '`')) => return Ok(c),
            Some('a') => Some(0x07),
            Some('b') => Some(0x08),
            Some('f') => Some(0x0c),
            Some('n') => Some(0x0a),
            Some('r') => Some(0x0d),
            Some('t') => Some(0x09),
            Some('v') => Some(0x0b),
            Some('x' | 'X') => self.digits(2, 16, 0),
            Some('u') => self.digits(4, 16, 0),
            Some('U') => self.digits(8, 16, 0),
            Some(c @ '0'..='3') => self.digits(2, 8, u32::from(c) - u32::from('0')),
            _ => None,
        };
        code.and_then(char::from_u32).ok_or_else(|| {
            let fix = "write \\\\ for a backslash, or r'…' for text without escapes; code points are \\u00b0";
            CompileError::new(&(from..self.at), "an escape that CEL does not have", fix)
        })
    }

    /// Exactly `count` digits after those that make `head`.
    fn digits(&mut self, count: usize, radix: u32, head: u32) -> Option<u32> {
        (0..count).try_fold(head, |code, _| {
            let digit = self.peek()?.to_digit(radix)?;
            self.bump();
            code.checked_mul(radix)?.checked_add(digit)
        })
    }
}
