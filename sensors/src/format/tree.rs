//! Payloads that are trees of named values, read token by token without a tree in memory: what JSON and CBOR share.
//!
//! Nested names are joined with `/` (`battery/volts`, `values/0`). A name that contains a `/` is not distinguished
//! from a nested one. If a name occurs twice, the last value counts. `records` names a list of records, one in each member of a list, or an object of
//! records by time or by name. A text that holds JSON is read as what it holds, where a path of the config goes through it. Cost: no
//! allocation, unless a name has an escape or is nested, or such a text is read.

mod walk;

use crate::decimal::PlainNumber;
use crate::fields::{DecodeError, Fields, RecordKeys, RecordsPath, Scalar};
use std::ops::Deref;
pub(super) use walk::holds_json;
use walk::{Found, Walk};

/// The field of a record that is a bare value.
const BARE: &str = "value";

/// The start of a value, or all of it if it is a scalar.
pub(crate) enum TreeToken<'a, T: Tokens<'a>> {
    Scalar(Scalar<'a>),
    Text(T::Text),
    /// Call [`Tokens::next_name`] next.
    Object(T::Members),
    /// Call [`Tokens::next_item`] next.
    List(T::Members),
}

impl<'a, T: Tokens<'a>> Clone for TreeToken<'a, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, T: Tokens<'a>> Copy for TreeToken<'a, T> {}

/// A text or a name as it stands in the payload; showing it may cost an allocation.
pub(crate) trait Shown {
    /// The text as it is meant.
    fn shown(self) -> impl Deref<Target = str>;
}

/// Reads a payload from its front. Its depth is bounded.
pub(crate) trait Tokens<'a>: Clone {
    type Text: Shown + Copy;
    /// How far the members of an object or a list are read.
    type Members: Copy;
    type Error: Into<DecodeError>;
    /// What reads a text that holds JSON.
    type Inside<'t>: Tokens<'t>;

    /// Begins to read a text that holds JSON.
    fn inside(text: &str) -> Self::Inside<'_>;

    /// Nothing more may follow.
    fn end_all(&mut self) -> Result<(), Self::Error>;

    /// Reads the next value; there must be one.
    fn next_value(&mut self) -> Result<TreeToken<'a, Self>, Self::Error>;

    /// Takes the next value, if it is a number that is quickly read; `None`: it is not, and nothing is read.
    fn take_number(&mut self) -> Option<PlainNumber> {
        None
    }

    /// Reads the next name of an object; `None` at its end.
    fn next_name(&mut self, members: &mut Self::Members) -> Result<Option<Self::Text>, Self::Error>;

    /// Reads the next name of an object, if it is `name`, which no escape is needed for; answers whether it is. If it is not,
    /// nothing is read.
    fn take_name(&mut self, _members: &mut Self::Members, _name: &str) -> bool {
        false
    }

    /// Whether a list has another value, which comes next.
    fn next_item(&mut self, members: &mut Self::Members) -> Result<bool, Self::Error>;

    /// Skips the value that `token` starts; answers whether it is an object or a list with nothing in it.
    fn skip_value(&mut self, token: TreeToken<'a, Self>) -> Result<bool, Self::Error> {
        let mut is_empty = true;
        match token {
            TreeToken::Scalar(_) | TreeToken::Text(_) => return Ok(false),
            TreeToken::Object(mut members) => {
                while self.next_name(&mut members)?.is_some() {
                    is_empty = false;
                    let token = self.next_value()?;
                    self.skip_value(token)?;
                }
            }
            TreeToken::List(mut members) => {
                while self.next_item(&mut members)? {
                    is_empty = false;
                    let token = self.next_value()?;
                    self.skip_value(token)?;
                }
            }
        }
        Ok(is_empty)
    }
}

/// Reads one tree: a record, or what holds the records. `unnamed` says what is wrong with a record that is a single
/// value; `None`: nothing is. Answers whether its values have names.
#[inline(always)]
pub(super) fn document<'a, T: Tokens<'a>>(
    tokens: &mut T,
    records: Option<&RecordsPath>,
    unnamed: Option<&'static str>,
    fields: &mut Fields<'_>,
) -> Result<bool, DecodeError> {
    match records {
        None => record(tokens, unnamed, fields),
        Some(records) => holder(tokens, records, fields).map(|()| true),
    }
}

/// Reads a tree that holds the records.
fn holder<'a, T: Tokens<'a>>(
    tokens: &mut T,
    records: &RecordsPath,
    fields: &mut Fields<'_>,
) -> Result<(), DecodeError> {
    fields.begin_beside();
    let mut walk = Walk { tokens, fields, path: String::new(), list: Some(&records.list), found: None };
    let whole = walk.tokens.next_value().map_err(Into::into)?;
    let start = walk.tokens.clone();
    if records.list.is_empty() { walk.find(whole) } else { walk.inside(whole) }.map_err(Into::into)?;
    match walk.found {
        None => {
            fields.end_beside(false);
            if fields.may_tell_of_records() && !start.clone().skip_value(whole).map_err(Into::into)? {
                fields.lacks_records();
            }
            fields.end();
        }
        Some(Found::Here(tokens, token)) => {
            fields.end_beside(records.inner.is_none());
            records_at(tokens, token, records, fields)?;
        }
        Some(Found::Within(text, path)) => within::<T>(&text, path, records, fields)?,
    }
    Ok(())
}

/// Reads the records that lie in a text, which `path` names.
fn within<'a, T: Tokens<'a>>(
    text: &str,
    path: String,
    records: &RecordsPath,
    fields: &mut Fields<'_>,
) -> Result<(), DecodeError> {
    let mut inside = T::inside(text);
    let is_list = path == *records.list;
    let mut walk = Walk { tokens: &mut inside, fields, path, list: Some(&records.list), found: None };
    let whole = walk.tokens.next_value().map_err(Into::into)?;
    if is_list { walk.find(whole) } else { walk.inside(whole) }.map_err(Into::into)?;
    match walk.found {
        Some(Found::Here(tokens, token)) => {
            fields.end_beside(true);
            records_at(tokens, token, records, fields)?;
        }
        // Each level ends further along the path.
        Some(Found::Within(text, path)) => within::<T>(&text, path, records, fields)?,
        None => {
            fields.end_beside(true);
            fields.end();
        }
    }
    Ok(())
}

/// Reads the records that `token` starts.
fn records_at<'a, T: Tokens<'a>>(
    mut tokens: T,
    token: TreeToken<'a, T>,
    records: &RecordsPath,
    fields: &mut Fields<'_>,
) -> Result<(), DecodeError> {
    if let (TreeToken::List(_) | TreeToken::Object(_), Some(inner)) = (token, &records.inner) {
        return members(&mut tokens, token, inner, fields);
    }
    match (token, &records.keys) {
        (TreeToken::Scalar(Scalar::Null), _) => fields.end(),
        (TreeToken::List(members), RecordKeys::None) => {
            items(&mut tokens, members, None, fields).map_err(Into::into)?
        }
        (token @ TreeToken::Object(_), RecordKeys::None) => {
            inside_record(&mut tokens, token, fields).map_err(Into::into)?
        }
        (TreeToken::Object(members), keys) => {
            keyed(&mut tokens, members, keys, fields).map_err(Into::into)?
        }
        (_, keys) => fields.reject(DecodeError::new(match keys {
            RecordKeys::None => "`records` names neither a list nor an object",
            RecordKeys::Times => "`records` names no object whose keys are times",
            RecordKeys::Names(_) => "`records` names no object whose keys are names",
        })),
    }
    Ok(())
}

/// Reads a list, or an object, whose members each hold records.
fn members<'a, T: Tokens<'a>>(
    tokens: &mut T,
    mut list: TreeToken<'a, T>,
    records: &RecordsPath,
    fields: &mut Fields<'_>,
) -> Result<(), DecodeError> {
    let mut next = |tokens: &mut T| match &mut list {
        TreeToken::Object(members) => tokens.next_name(members).map(|name| name.is_some()),
        TreeToken::List(members) => tokens.next_item(members),
        TreeToken::Scalar(_) | TreeToken::Text(_) => Ok(false),
    };
    let mut is_empty = true;
    fields.begin_members();
    while next(tokens).map_err(Into::into)? {
        is_empty = false;
        fields.begin_member();
        let token = tokens.next_value().map_err(Into::into)?;
        let mut walk = Walk { tokens, fields, path: String::new(), list: Some(&records.list), found: None };
        if records.list.is_empty() { walk.find(token) } else { walk.inside(token) }.map_err(Into::into)?;
        let found = walk.found;
        fields.end_beside(found.is_some());
        match found {
            None => fields.end(),
            Some(Found::Here(tokens, token)) => records_at(tokens, token, records, fields)?,
            Some(Found::Within(text, path)) => within::<T>(&text, path, records, fields)?,
        }
    }
    if is_empty {
        fields.end();
    } else if fields.may_tell_of_records() {
        fields.lacks_records();
    }
    Ok(())
}

/// Reads a tree that is one record.
#[inline]
fn record<'a, T: Tokens<'a>>(
    tokens: &mut T,
    unnamed: Option<&'static str>,
    fields: &mut Fields<'_>,
) -> Result<bool, DecodeError> {
    let token = tokens.next_value().map_err(Into::into)?;
    match (token, unnamed) {
        (TreeToken::Object(_) | TreeToken::List(_), _) => {
            inside_record(tokens, token, fields).map_err(Into::into)?;
            return Ok(true);
        }
        (TreeToken::Scalar(Scalar::Null), _) => fields.end(),
        (_, Some(what)) => return Err(DecodeError::new(what)),
        (_, None) => element(tokens, token, fields).map_err(Into::into)?,
    }
    Ok(false)
}

/// Reads the record that `token` starts.
#[inline]
fn inside_record<'a, T: Tokens<'a>>(
    tokens: &mut T,
    token: TreeToken<'a, T>,
    fields: &mut Fields<'_>,
) -> Result<(), T::Error> {
    Walk { tokens, fields, path: String::new(), list: None, found: None }.inside(token)?;
    fields.end();
    Ok(())
}

/// Reads a list of records; each has the value of `key` as a field.
fn items<'a, T: Tokens<'a>>(
    tokens: &mut T,
    mut members: T::Members,
    key: Option<(&str, &str)>,
    fields: &mut Fields<'_>,
) -> Result<(), T::Error> {
    let mut is_empty = true;
    while tokens.next_item(&mut members)? {
        is_empty = false;
        if let Some((path, name)) = key {
            fields.key(path, name);
        }
        let token = tokens.next_value()?;
        element(tokens, token, fields)?;
    }
    if is_empty {
        fields.end();
    }
    Ok(())
}

/// Reads an object of records whose names are `keys`. Under a name may also stand a list of records.
fn keyed<'a, T: Tokens<'a>>(
    tokens: &mut T,
    mut members: T::Members,
    keys: &RecordKeys,
    fields: &mut Fields<'_>,
) -> Result<(), T::Error> {
    let mut is_empty = true;
    while let Some(name) = tokens.next_name(&mut members)? {
        is_empty = false;
        let name = name.shown();
        let token = tokens.next_value()?;
        match (keys, token) {
            (RecordKeys::Names(path), TreeToken::List(members)) if holds_objects(tokens, members)? => {
                items(tokens, members, Some((path, &name)), fields)?;
                continue;
            }
            (RecordKeys::Names(path), _) => fields.key(path, &name),
            _ => fields.time_text(&name),
        }
        element(tokens, token, fields)?;
    }
    if is_empty {
        fields.end();
    }
    Ok(())
}

/// Whether a list, which is not read on, begins with an object.
fn holds_objects<'a, T: Tokens<'a>>(tokens: &T, mut members: T::Members) -> Result<bool, T::Error> {
    let mut tokens = tokens.clone();
    Ok(tokens.next_item(&mut members)? && matches!(tokens.next_value()?, TreeToken::Object(_)))
}

/// Reads the record that `token` starts; a bare value is its only field.
fn element<'a, T: Tokens<'a>>(
    tokens: &mut T,
    token: TreeToken<'a, T>,
    fields: &mut Fields<'_>,
) -> Result<(), T::Error> {
    match token {
        TreeToken::Scalar(value) => {
            let want = fields.want(BARE);
            fields.put(want, BARE, value);
        }
        TreeToken::Text(text) => {
            let want = fields.want(BARE);
            fields.put(want, BARE, Scalar::Text(&text.shown()));
        }
        token => return inside_record(tokens, token, fields),
    }
    fields.end();
    Ok(())
}
