//! One step of a judgement: numbers in, numbers out, no allocation.

use crate::tensor::TensorPlace;

/// What an operator has become.
pub(crate) trait RowStep: Send + Sync {
    /// Writes its outputs, one behind the other.
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]);

    /// The memory that it holds [bytes].
    fn bytes(&self) -> usize {
        0
    }
}

/// The inputs of a step.
#[derive(Clone, Copy)]
pub(crate) struct StepInputs<'a> {
    pub(crate) places: &'a [TensorPlace],
    pub(crate) constants: &'a [f64],
    /// What earlier steps have written.
    pub(crate) past: &'a [f64],
}

impl<'a> StepInputs<'a> {
    /// The numbers of an input; none of what is not there.
    #[inline]
    pub(crate) fn of(&self, input: usize) -> &'a [f64] {
        let Some(place) = self.places.get(input) else { return &[] };
        let numbers = if place.is_constant { self.constants } else { self.past };
        let found = numbers.get(place.start..place.start + place.len);
        debug_assert!(found.is_some(), "inputs lie before outputs");
        found.unwrap_or_default()
    }
}

/// A step, and where its numbers lie.
pub(crate) struct PlacedStep {
    pub(crate) step: Box<dyn RowStep>,
    pub(crate) inputs: Box<[TensorPlace]>,
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl PlacedStep {
    #[inline]
    pub(crate) fn run(&self, constants: &[f64], numbers: &mut [f64]) {
        let Some((past, rest)) = numbers.split_at_mut_checked(self.start) else { return };
        let Some(out) = rest.get_mut(..self.len) else { return };
        self.step.run(&StepInputs { places: &self.inputs, constants, past }, out);
    }
}
