//! Compiles a graph: names become places, shapes become numbers, and what depends on no feature is computed at once.
//!
//! One row is judged at a time, so that every shape is known when the file is read. Outputs lie behind the inputs that
//! they are made of.

use crate::OnnxError;
use crate::proto::{ProtoNode, ProtoTensor};
use crate::step::{PlacedStep, RowStep, StepInputs};
use crate::tensor::{ClassLabels, NUMBERS_MAX, Tensor, TensorKind, TensorPlace, count};
use std::collections::HashMap;
use std::rc::Rc;

/// The sums, products and comparisons of one judgement, all steps together.
const WORK_MAX: usize = 1 << 23;

/// The largest whole number that is kept exactly.
const INTEGER_MAX: i64 = 1 << 53;

/// A graph while it is compiled.
#[derive(Default)]
pub(crate) struct Builder<'a> {
    tensors: HashMap<&'a str, Tensor>,
    texts: Vec<&'a str>,
    numbers_of_texts: HashMap<&'a str, usize>,
    pub(crate) steps: Vec<PlacedStep>,
    pub(crate) constants: Vec<f64>,
    /// The numbers that a judgement writes.
    pub(crate) numbers: usize,
    work: usize,
}

impl<'a> Builder<'a> {
    /// Takes in features: `width` numbers behind those that are there.
    pub(crate) fn feature(
        &mut self,
        name: &'a str,
        kind: TensorKind,
        shape: Vec<usize>,
    ) -> Result<(), OnnxError> {
        let place = TensorPlace { is_constant: false, start: self.numbers, len: count(&shape)? };
        self.numbers += place.len;
        self.name(name, Tensor { kind, shape, place, labels: None, is_map: false })
    }

    /// Takes in a constant of the file.
    pub(crate) fn constant(&mut self, name: &'a str, tensor: &ProtoTensor<'a>) -> Result<(), OnnxError> {
        let constant = self.constant_tensor(tensor)?;
        self.name(name, constant)
    }

    pub(crate) fn constant_tensor(&mut self, tensor: &ProtoTensor<'a>) -> Result<Tensor, OnnxError> {
        let kind = tensor.kind()?;
        let values = if kind == TensorKind::Text {
            tensor.texts()?.into_iter().map(|text| self.text_number(text)).collect()
        } else {
            tensor.values()?
        };
        if values.len() != count(&tensor.shape)? {
            return Err(OnnxError::malformed(format!(
                "constant `{}` has {} numbers and the shape {:?}",
                tensor.name,
                values.len(),
                tensor.shape
            )));
        }
        self.fixed(kind, tensor.shape.clone(), &values)
    }

    /// Adds constant numbers.
    pub(crate) fn fixed(
        &mut self,
        kind: TensorKind,
        shape: Vec<usize>,
        values: &[f64],
    ) -> Result<Tensor, OnnxError> {
        let place = TensorPlace { is_constant: true, start: self.constants.len(), len: values.len() };
        self.constants.extend_from_slice(values);
        self.check_room()?;
        Ok(Tensor { kind, shape, place, labels: None, is_map: false })
    }

    fn check_room(&self) -> Result<(), OnnxError> {
        if self.constants.len().max(self.numbers) > NUMBERS_MAX {
            return Err(OnnxError::unsupported(format!("more than {NUMBERS_MAX} numbers in its tensors")));
        }
        Ok(())
    }

    fn name(&mut self, name: &'a str, tensor: Tensor) -> Result<(), OnnxError> {
        match self.tensors.insert(name, tensor) {
            Some(_) if !name.is_empty() => {
                Err(OnnxError::malformed(format!("two things of its graph are named `{name}`")))
            }
            _ => Ok(()),
        }
    }

    /// The number of a text.
    pub(crate) fn text_number(&mut self, text: &'a str) -> f64 {
        let next = self.texts.len();
        let number = *self.numbers_of_texts.entry(text).or_insert(next);
        if number == next {
            self.texts.push(text);
        }
        number as f64
    }

    /// A label as people know it.
    pub(crate) fn label(&self, kind: TensorKind, value: f64) -> String {
        match kind {
            TensorKind::Text => self.texts.get(value as usize).copied().unwrap_or_default().into(),
            _ => value.to_string(),
        }
    }

    /// The labels of a node, from one of two attributes.
    pub(crate) fn labels(
        &mut self,
        node: &ProtoNode<'a>,
        texts: &str,
        integers: &str,
    ) -> Result<Rc<ClassLabels>, OnnxError> {
        let texts = node.texts(texts)?;
        let integers = node.integers(integers)?;
        if integers.iter().any(|label| label.abs() > INTEGER_MAX) {
            return Err(node.unsupported("labels above 2^53 do not run here; use smaller ones, or texts"));
        }
        let (kind, values) = if texts.is_empty() {
            (TensorKind::Integer, integers.into_iter().map(|label| label as f64).collect())
        } else {
            (TensorKind::Text, texts.into_iter().map(|text| self.text_number(text)).collect())
        };
        Ok(Rc::new(ClassLabels { kind, values }))
    }

    /// A tensor by its name.
    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// An input that an operator may do without.
    pub(crate) fn optional(&self, node: &ProtoNode<'a>, at: usize) -> Result<Option<Tensor>, OnnxError> {
        let Some(name) = node.inputs.get(at).filter(|name| !name.is_empty()) else { return Ok(None) };
        match self.tensors.get(name) {
            Some(tensor) => Ok(Some(tensor.clone())),
            None => Err(node.malformed(format!("nothing before it makes `{name}`"))),
        }
    }

    pub(crate) fn input(&self, node: &ProtoNode<'a>, at: usize) -> Result<Tensor, OnnxError> {
        self.optional(node, at)?.ok_or_else(|| node.malformed(format!("it has no input {at}")))
    }

    /// The numbers of a tensor that depends on no feature.
    pub(crate) fn known(&self, tensor: &Tensor) -> Option<&[f64]> {
        let place = tensor.place;
        self.constants.get(place.start..place.start + place.len).filter(|_| place.is_constant)
    }

    /// The whole numbers of an input that must depend on no feature.
    pub(crate) fn known_integers(
        &self,
        node: &ProtoNode<'a>,
        tensor: &Tensor,
    ) -> Result<Vec<i64>, OnnxError> {
        let known = self.known(tensor).filter(|_| tensor.kind == TensorKind::Integer);
        let known = known
            .ok_or_else(|| node.unsupported("sizes and places that are no constants do not run here"))?;
        Ok(known.iter().map(|number| *number as i64).collect())
    }

    /// Names an output.
    pub(crate) fn output(
        &mut self,
        node: &ProtoNode<'a>,
        at: usize,
        tensor: Tensor,
    ) -> Result<(), OnnxError> {
        match node.outputs.get(at) {
            Some(name) => self.name(name, tensor),
            None => Ok(()),
        }
    }

    /// Adds a step, or takes it at once where it depends on no feature; `work` counts what it computes.
    pub(crate) fn add(
        &mut self,
        step: impl RowStep + 'static,
        inputs: &[&Tensor],
        outputs: &[(TensorKind, &[usize])],
        work: usize,
    ) -> Result<Vec<Tensor>, OnnxError> {
        let places: Box<[TensorPlace]> = inputs.iter().map(|input| input.place).collect();
        let is_constant = places.iter().all(|place| place.is_constant);
        let first = if is_constant { self.constants.len() } else { self.numbers };
        let (mut start, mut made) = (first, Vec::new());
        for (kind, shape) in outputs {
            let place = TensorPlace { is_constant, start, len: count(shape)? };
            start += place.len;
            made.push(Tensor { kind: *kind, shape: shape.to_vec(), place, labels: None, is_map: false });
        }
        self.work = self.work.saturating_add(work);
        if self.work > WORK_MAX {
            return Err(OnnxError::unsupported(format!(
                "one judgement takes more than {WORK_MAX} operations; train a smaller model"
            )));
        }
        let len = start - first;
        if is_constant {
            let mut out = vec![0.0; len];
            step.run(&StepInputs { places: &places, constants: &self.constants, past: &[] }, &mut out);
            self.constants.append(&mut out);
        } else {
            self.numbers = start;
            self.steps.push(PlacedStep { step: Box::new(step), inputs: places, start: first, len });
        }
        self.check_room()?;
        Ok(made)
    }

    /// Adds a step with one output, and gives that no name yet.
    pub(crate) fn add_one(
        &mut self,
        step: impl RowStep + 'static,
        inputs: &[&Tensor],
        kind: TensorKind,
        shape: &[usize],
        work: usize,
    ) -> Result<Tensor, OnnxError> {
        let made = self.add(step, inputs, &[(kind, shape)], work)?;
        made.into_iter().next().ok_or_else(|| OnnxError::malformed("a step without an output"))
    }
}
