//! The walk through one record, or through what stands beside the records.

use super::{Shown, Tokens, TreeToken};
use crate::fields::{DecodeError, FieldUse, Fields, Scalar};
use crate::topic::shortened;
use std::fmt::Write;

pub(super) struct Walk<'a, 's, 'w, 'f, T: Tokens<'a>> {
    pub(super) tokens: &'s mut T,
    pub(super) fields: &'w mut Fields<'f>,
    /// The path of the object or list being read; empty for the outermost.
    pub(super) path: String,
    /// The path of the list of records, which is not read but found.
    pub(super) list: Option<&'w str>,
    pub(super) found: Option<Found<'a, T>>,
}

/// Where the records of a payload are.
pub(super) enum Found<'a, T: Tokens<'a>> {
    /// The tokens inside their list, and how the list starts.
    Here(T, TreeToken<'a, T>),
    /// In this text, which has this path.
    Within(String, String),
}

impl<'a, T: Tokens<'a>> Walk<'a, '_, '_, '_, T> {
    /// Reads the members of the object or list that `token` starts and `path` names.
    pub(super) fn inside(&mut self, token: TreeToken<'a, T>) -> Result<(), T::Error> {
        match token {
            TreeToken::Object(members) if self.path.is_empty() => self.outermost(members),
            TreeToken::Object(members) => self.object(members),
            TreeToken::List(members) => self.list(members),
            TreeToken::Scalar(_) | TreeToken::Text(_) => Ok(()),
        }
    }

    /// As [`Walk::object`], but names already are paths and need no copy.
    fn outermost(&mut self, mut members: T::Members) -> Result<(), T::Error> {
        loop {
            if let Some(known) = self.known_name(&mut members) {
                match self.tokens.take_number() {
                    Some(number) => self.fields.put_expected(known, number),
                    None => {
                        let name = self.fields.path(known);
                        self.member(known, &name)?;
                    }
                }
                continue;
            }
            let Some(name) = self.tokens.next_name(&mut members)? else { return Ok(()) };
            let name = name.shown();
            let want = self.fields.want(&name);
            self.member(want, &name)?;
        }
    }

    /// Reads the name of the known field that is expected next, or of the event time; `None`: it is not there.
    #[inline(always)]
    fn known_name(&mut self, members: &mut T::Members) -> Option<FieldUse> {
        if let Some(name) = self.fields.expected()
            && self.tokens.take_name(members, name)
        {
            return Some(self.fields.want_expected());
        }
        let name = self.fields.expected_time()?;
        self.tokens.take_name(members, name).then_some(FieldUse::Time(0))
    }

    /// Reads a value of the outermost object.
    fn member(&mut self, want: FieldUse, name: &str) -> Result<(), T::Error> {
        match self.tokens.next_value()? {
            token if self.list == Some(name) => return self.find(token),
            TreeToken::Scalar(value) => self.fields.put(want, name, value),
            TreeToken::Text(text) if !self.fields.wants_inside_text(name) => {
                self.fields.put(want, name, Scalar::Text(&text.shown()));
            }
            TreeToken::Text(text) => {
                self.path.push_str(name);
                self.text(want, text);
                self.path.clear();
            }
            compound => {
                self.path.push_str(name);
                self.compound(want, compound)?;
                self.path.clear();
            }
        }
        Ok(())
    }

    fn object(&mut self, mut members: T::Members) -> Result<(), T::Error> {
        let length = self.path.len();
        while let Some(name) = self.tokens.next_name(&mut members)? {
            self.path.push('/');
            self.path.push_str(&name.shown());
            self.nested()?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn list(&mut self, mut members: T::Members) -> Result<(), T::Error> {
        let length = self.path.len();
        let mut index = 0_usize;
        while self.tokens.next_item(&mut members)? {
            let slash = if length == 0 { "" } else { "/" };
            // Writing to a string cannot fail.
            let _ = write!(self.path, "{slash}{index}");
            self.nested()?;
            self.path.truncate(length);
            index += 1;
        }
        Ok(())
    }

    /// Reads the value that `path` names.
    fn nested(&mut self) -> Result<(), T::Error> {
        let want = self.fields.want(&self.path);
        let token = self.tokens.next_value()?;
        if self.list == Some(self.path.as_str()) {
            return self.find(token);
        }
        match token {
            TreeToken::Scalar(value) => self.fields.put(want, &self.path, value),
            TreeToken::Text(text) => self.text(want, text),
            compound => self.compound(want, compound)?,
        }
        Ok(())
    }

    fn compound(&mut self, want: FieldUse, token: TreeToken<'a, T>) -> Result<(), T::Error> {
        if self.fields.wants_inside(&self.path) {
            if want == FieldUse::Captured {
                self.fields.put(want, &self.path, Scalar::Compound);
            }
            return self.inside(token);
        }
        let is_empty = self.tokens.skip_value(token)?;
        self.fields.put(want, &self.path, if is_empty { Scalar::Null } else { Scalar::Compound });
        Ok(())
    }

    /// Reads a text; what is in it, if it holds JSON that a path of the config goes through.
    fn text(&mut self, want: FieldUse, text: T::Text) {
        let text = text.shown();
        if !self.fields.wants_inside_text(&self.path) || !holds_json(&text) {
            return self.fields.put(want, &self.path, Scalar::Text(&text));
        }
        if let Err(error) = self.inside_text(&text)
            && self.list.is_none()
        {
            let what = format!("`{}` holds a text that is {}", shortened(&self.path), error.what);
            self.fields.lacks_value(DecodeError::new(what));
        }
    }

    /// Reads the JSON that `text` holds, if it is whole.
    #[cold]
    fn inside_text(&mut self, text: &str) -> Result<(), DecodeError> {
        let mut inside = T::inside(text);
        let mut whole = inside.clone();
        let token = whole.next_value().map_err(Into::into)?;
        whole.skip_value(token).map_err(Into::into)?;
        whole.end_all().map_err(Into::into)?;
        let path = self.path.clone();
        let mut walk =
            Walk { tokens: &mut inside, fields: &mut *self.fields, path, list: self.list, found: None };
        let token = walk.tokens.next_value().map_err(Into::into)?;
        walk.inside(token).map_err(Into::into)?;
        if walk.found.is_some() {
            self.found = Some(Found::Within(text.to_owned(), self.path.clone()));
        }
        Ok(())
    }

    /// Notes the list of records, and passes over it.
    pub(super) fn find(&mut self, token: TreeToken<'a, T>) -> Result<(), T::Error> {
        self.found = match token {
            TreeToken::Text(text) if holds_json(&text.shown()) => {
                Some(Found::Within(text.shown().to_owned(), self.list.unwrap_or_default().to_owned()))
            }
            token => Some(Found::Here(self.tokens.clone(), token)),
        };
        self.tokens.skip_value(token).map(drop)
    }
}

/// Whether a text is meant as JSON with names or places.
pub(in crate::format) fn holds_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}
