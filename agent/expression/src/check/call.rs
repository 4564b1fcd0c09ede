//! Functions.

use super::functions::{CLASSES, OF_TEXT, OF_TIME, PLAIN, SHAPES};
use super::{Checker, MATH, Typed, constant, is_name, unknown};
use crate::ast::{Ast, AstKind, SpannedName};
use crate::calendar::{CelTime, offset};
use crate::error::CompileError;
use crate::node::{Bool, Double, Function, Int, TextNode, TextTest, TimeNode};
use std::ops::Range;

/// The parts of a call.
struct Call<'a> {
    name: &'a SpannedName,
    arguments: &'a [Ast],
    span: &'a Range<usize>,
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        receiver: Option<&Ast>,
        name: &SpannedName,
        arguments: &[Ast],
        span: &Range<usize>,
    ) -> Result<Typed, CompileError> {
        let call = Call { name, arguments, span };
        match receiver {
            None => self.plain(&call),
            Some(receiver) if is_name(receiver, MATH) => self.math(&call),
            Some(receiver) if is_name(receiver, "labels") => match name.text.as_str() {
                "size" => call.none().map(|()| Typed::Int(Int::LabelCount)),
                _ => Err(unknown::method(name, "labels", ["size"])),
            },
            Some(receiver) => match self.part(receiver)? {
                Typed::Text(text) => self.text_method(text, &call),
                Typed::Field(field) => self.text_method(TextNode::Field(field), &call),
                Typed::Time(time) => self.time_method(time, &call),
                other => Err(unknown::method(name, other.name(), [])),
            },
        }
    }

    fn plain(&mut self, call: &Call<'_>) -> Result<Typed, CompileError> {
        if !PLAIN.contains(&call.name.text.as_str()) {
            return Err(unknown::function(call.name));
        }
        let part = call.one()?;
        match call.name.text.as_str() {
            "has" => return self.has(part),
            "size" if is_name(part, "labels") => return Ok(Typed::Int(Int::LabelCount)),
            _ => {}
        }
        let typed = match (call.name.text.as_str(), self.part(part)?) {
            ("size", Typed::Field(field)) => Typed::Text(TextNode::Field(field)),
            (_, typed) => typed.calculable(),
        };
        Ok(match (call.name.text.as_str(), typed) {
            ("size", Typed::Text(of)) => Typed::Int(Int::Length(of)),
            ("int", Typed::Int(of)) => Typed::Int(of),
            ("int", Typed::Double(of)) => Typed::Int(Int::FromDouble(Box::new(of))),
            ("int", Typed::Text(of)) => Typed::Int(Int::FromText(of)),
            ("int", Typed::Time(of)) => Typed::Int(Int::Seconds(of)),
            ("double", Typed::Int(of)) => Typed::Double(Double::of_int(of)),
            ("double", Typed::Double(of)) => Typed::Double(of),
            ("double", Typed::Text(of)) => Typed::Double(Double::FromText(of)),
            ("timestamp", typed) => Typed::Time(timestamp(typed, part)?),
            (name, other) => {
                let what = format!("{name}() does not take {}", other.name());
                let fix = if name == "size" { "give it a string or labels" } else { other.into_number() };
                return Err(CompileError::new(&part.span, what, fix));
            }
        })
    }

    fn text_method(&mut self, text: TextNode, call: &Call<'_>) -> Result<Typed, CompileError> {
        let test = match call.name.text.as_str() {
            "size" => return call.none().map(|()| Typed::Int(Int::Length(text))),
            "startsWith" => TextTest::StartsWith,
            "endsWith" => TextTest::EndsWith,
            "contains" => TextTest::Contains,
            _ => return Err(unknown::method(call.name, "a string", OF_TEXT)),
        };
        let part = self.text_part(call.one()?, "the argument")?;
        Ok(Typed::Bool(Bool::Text(test, Box::new((text, part)))))
    }

    fn time_method(&mut self, time: TimeNode, call: &Call<'_>) -> Result<Typed, CompileError> {
        let found = OF_TIME.iter().find(|(name, _)| *name == call.name.text);
        let Some((_, part)) = found else {
            return Err(unknown::method(call.name, "a timestamp", OF_TIME.map(|(name, _)| name)));
        };
        let offset = if call.arguments.is_empty() { 0 } else { zone(call.one()?)? };
        Ok(Typed::Int(Int::Part { part: *part, of: time, offset }))
    }

    fn math(&mut self, call: &Call<'_>) -> Result<Typed, CompileError> {
        let name = call.name.text.as_str();
        if let Some((_, shape)) = SHAPES.iter().find(|(known, _)| *known == name) {
            return self.double(call.one()?).map(|of| Typed::Double(Double::Shaped(*shape, Box::new(of))));
        }
        if let Some((_, class)) = CLASSES.iter().find(|(known, _)| *known == name) {
            return self.double(call.one()?).map(|of| Typed::Bool(Bool::Class(*class, of)));
        }
        match name {
            "abs" => self.signless(call.one()?, Int::Abs, Function::Abs),
            "sign" => self.signless(call.one()?, Int::Sign, Function::Sign),
            "greatest" | "least" => self.extreme(name == "greatest", call),
            _ => Err(unknown::math(call.name)),
        }
    }

    fn double(&mut self, part: &Ast) -> Result<Double, CompileError> {
        let typed = self.part(part)?;
        self.adapted(typed, part)
    }

    fn signless(
        &mut self,
        part: &Ast,
        of_int: fn(Box<Int>) -> Int,
        of: Function,
    ) -> Result<Typed, CompileError> {
        match self.part(part)? {
            Typed::Int(int) => Ok(Typed::Int(of_int(Box::new(int)))),
            other => Ok(Typed::Double(Double::Shaped(of, Box::new(self.adapted(other, part)?)))),
        }
    }

    fn extreme(&mut self, greatest: bool, call: &Call<'_>) -> Result<Typed, CompileError> {
        let mut parts = Vec::new();
        for part in call.arguments {
            parts.push((self.part(part)?, part));
        }
        if parts.iter().all(|(typed, _)| matches!(typed, Typed::Int(_))) {
            let ints = parts.into_iter().filter_map(|(typed, _)| match typed {
                Typed::Int(int) => Some(int),
                _ => None,
            });
            let of = first_and_others(ints).ok_or_else(|| call.wrong_count("at least 1 argument"))?;
            return Ok(Typed::Int(Int::Extreme { greatest, of }));
        }
        let doubles = parts.into_iter().map(|(typed, part)| self.adapted(typed, part));
        let doubles = doubles.collect::<Result<Vec<_>, _>>()?.into_iter();
        let of = first_and_others(doubles).ok_or_else(|| call.wrong_count("at least 1 argument"))?;
        Ok(Typed::Double(Double::Extreme { greatest, of }))
    }

    fn has(&mut self, part: &Ast) -> Result<Typed, CompileError> {
        if let Some(field) = self.field(part) {
            return Ok(Typed::Bool(Bool::HasField(field)));
        }
        match &part.kind {
            AstKind::Select(operand, name) if is_name(operand, "labels") => {
                self.asked_labels.push(name.text.clone());
                Ok(Typed::Bool(Bool::HasLabel(constant(&name.text))))
            }
            _ => {
                let fix = "write has(labels.zone), or \"zone\" in labels for names that are no identifiers";
                Err(CompileError::new(&part.span, "has() takes a label with a point", fix))
            }
        }
    }
}

fn first_and_others<T>(mut parts: impl Iterator<Item = T>) -> Option<Box<(T, Box<[T]>)>> {
    Some(Box::new((parts.next()?, parts.collect())))
}

fn timestamp(typed: Typed, part: &Ast) -> Result<TimeNode, CompileError> {
    let moment = match typed {
        Typed::Time(time) => return Ok(time),
        Typed::Text(TextNode::Const(text)) => CelTime::parse(&text),
        Typed::Int(Int::Const(seconds)) => CelTime::of_seconds(seconds),
        other => {
            let what = format!("timestamp() takes a literal, but this is {}", other.name());
            return Err(CompileError::new(
                &part.span,
                what,
                "compare numbers instead, as in int(time) > 1700000000",
            ));
        }
    };
    moment.map(TimeNode::Const).ok_or_else(|| {
        let fix = "write it as RFC 3339, as in 2024-01-31T06:00:00Z or 2024-01-31T07:00:00.5+01:00";
        CompileError::new(&part.span, "not a time of the years 0001 to 9999", fix)
    })
}

/// Seconds ahead of UTC.
fn zone(part: &Ast) -> Result<i64, CompileError> {
    let seconds = if let AstKind::Text(text) = &part.kind { offset(text) } else { None };
    seconds.ok_or_else(|| {
        let fix = "write \"UTC\" or a fixed offset, as in \"+01:00\"; names of zones are not supported";
        CompileError::new(&part.span, "not an offset from UTC", fix)
    })
}

impl<'a> Call<'a> {
    fn one(&self) -> Result<&'a Ast, CompileError> {
        match self.arguments {
            [part] => Ok(part),
            _ => Err(self.wrong_count("1 argument")),
        }
    }

    fn none(&self) -> Result<(), CompileError> {
        if self.arguments.is_empty() { Ok(()) } else { Err(self.wrong_count("no argument")) }
    }

    fn wrong_count(&self, wanted: &str) -> CompileError {
        let what = format!("{}() has {} arguments", self.name.text, self.arguments.len());
        CompileError::new(self.span, what, format!("give it {wanted}"))
    }
}
