//! Fields of a record that are wanted for more than a reading: those that stand in names, and those that `where` reads.

use super::identity::cut;
use super::value::Scalar;
use headwater_expression::{EvalError, FieldValue, Input, Program};
use std::sync::Arc;

/// The most such fields of a source.
pub(crate) const CAPTURED_MAX: usize = 16;

/// Which fields of a record are captured.
#[derive(Clone, Debug, Default)]
pub(crate) struct CapturePlan {
    /// The fields that stand in names, then the others.
    paths: Vec<Arc<str>>,
    /// The number of fields that stand in names.
    names: usize,
    /// The fields among them without which a series has no name.
    needed: Vec<usize>,
    condition: Option<Condition>,
}

/// The source's own condition.
#[derive(Clone, Debug)]
struct Condition {
    program: Arc<Program>,
    /// The captured field of each of the program's fields.
    fields: Vec<usize>,
}

impl CapturePlan {
    /// `needed` stand in `series`, `others` in labels.
    pub(crate) fn new<'p>(
        needed: impl Iterator<Item = &'p str>,
        others: impl Iterator<Item = &'p str>,
        condition: Option<Program>,
    ) -> Self {
        let mut plan = Self::default();
        plan.needed = needed.map(|path| plan.number(path)).collect();
        others.for_each(|path| {
            plan.number(path);
        });
        plan.names = plan.paths.len();
        plan.condition = condition.map(|program| {
            let fields = program.fields().iter().map(|path| plan.number(path)).collect();
            Condition { program: Arc::new(program), fields }
        });
        plan
    }

    fn number(&mut self, path: &str) -> usize {
        self.find(path).unwrap_or_else(|| {
            self.paths.push(path.into());
            self.paths.len() - 1
        })
    }

    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.paths.iter().position(|known| **known == *path)
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether the field stands in a name.
    pub(super) fn is_in_name(&self, path: &str) -> bool {
        self.find(path).is_some_and(|number| number < self.names)
    }

    /// The paths of all captured fields.
    pub(crate) fn paths(&self) -> &[Arc<str>] {
        &self.paths
    }

    /// The paths of the fields that stand in names.
    pub(crate) fn names(&self) -> &[Arc<str>] {
        self.paths.get(..self.names).unwrap_or_default()
    }

    pub(crate) fn needed(&self) -> impl Iterator<Item = (usize, &Arc<str>)> {
        self.needed.iter().filter_map(|number| Some((*number, self.paths.get(*number)?)))
    }

    /// Whether the record is wanted.
    ///
    /// # Errors
    /// The condition cannot be judged.
    pub(super) fn wants(&self, captured: &Captured) -> Result<bool, EvalError> {
        let Some(condition) = &self.condition else { return Ok(true) };
        let mut values = [FieldValue::Missing; CAPTURED_MAX];
        for (value, number) in values.iter_mut().zip(&condition.fields) {
            *value = captured.value(*number);
        }
        condition.program.filter(&Input::of_record(&values))
    }
}

/// The captured values of the present record; their memory is reused.
#[derive(Default)]
pub(crate) struct Captured {
    values: Vec<CapturedValue>,
    /// What stands beside the records and belongs to all of them.
    shared: Vec<CapturedValue>,
    /// What of that stands beside the list whose members hold the records.
    outer: Vec<CapturedValue>,
}

#[derive(Default)]
struct CapturedValue {
    kind: CapturedKind,
    /// As it stands in a name.
    text: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum CapturedKind {
    #[default]
    Missing,
    Bool(bool),
    Number(f64),
    Text,
    Compound,
}

impl Captured {
    /// Forgets the values, and makes room for `len` of them, of which there are as many for every payload.
    #[inline]
    pub(super) fn clear(&mut self, len: usize) {
        if len > 0 {
            self.clear_some(len);
        }
    }

    fn clear_some(&mut self, len: usize) {
        for values in [&mut self.values, &mut self.shared] {
            values.resize_with(len, CapturedValue::default);
            values.iter_mut().for_each(CapturedValue::clear);
        }
    }

    /// Forgets the values of the last record.
    pub(super) fn next_record(&mut self) {
        copy(&self.shared, &mut self.values);
    }

    /// Makes the present values belong to all records that follow. Each of these copies them, so that long texts are cut.
    pub(super) fn share(&mut self) {
        for value in &mut self.values {
            let length = cut(&value.text).len();
            value.text.truncate(length);
        }
        copy(&self.values, &mut self.shared);
    }

    /// Keeps what is shared, while members of a list add to it.
    pub(super) fn keep_outer(&mut self) {
        self.outer.resize_with(self.shared.len(), CapturedValue::default);
        copy(&self.shared, &mut self.outer);
    }

    /// Shares what was kept, and nothing else.
    pub(super) fn restore_outer(&mut self) {
        copy(&self.outer, &mut self.shared);
        self.next_record();
    }

    pub(super) fn put(&mut self, number: usize, value: Scalar<'_>) {
        let Some(captured) = self.values.get_mut(number) else { return };
        captured.text.clear();
        value.write_to(&mut captured.text);
        captured.kind = match value {
            Scalar::Integer(integer) => CapturedKind::Number(super::nearest(integer)),
            Scalar::Number(number) => CapturedKind::Number(number),
            Scalar::Time(ms) => CapturedKind::Number(super::value::seconds(ms)),
            Scalar::Boolean(value) => CapturedKind::Bool(value),
            Scalar::Text(_) if captured.text.is_empty() => CapturedKind::Missing,
            Scalar::Text(_) => CapturedKind::Text,
            Scalar::Null => CapturedKind::Missing,
            Scalar::Compound => CapturedKind::Compound,
        };
    }

    /// The value as text; empty if it is not there.
    pub(super) fn text(&self, number: usize) -> &str {
        self.values.get(number).map_or("", |value| &value.text)
    }

    pub(super) fn kind(&self, number: usize) -> CapturedKind {
        self.values.get(number).map_or(CapturedKind::Missing, |value| value.kind)
    }

    fn value(&self, number: usize) -> FieldValue<'_> {
        match self.values.get(number) {
            None => FieldValue::Missing,
            Some(value) => match value.kind {
                CapturedKind::Missing | CapturedKind::Compound => FieldValue::Missing,
                CapturedKind::Bool(value) => FieldValue::Bool(value),
                CapturedKind::Number(number) => FieldValue::Number(number),
                CapturedKind::Text => FieldValue::Text(&value.text),
            },
        }
    }
}

fn copy(from: &[CapturedValue], to: &mut [CapturedValue]) {
    for (from, to) in from.iter().zip(to) {
        to.kind = from.kind;
        to.text.clone_from(&from.text);
    }
}

impl CapturedValue {
    fn clear(&mut self) {
        self.kind = CapturedKind::Missing;
        self.text.clear();
    }
}
