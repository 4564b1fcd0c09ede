//! Tensors while a graph is compiled: a kind, a shape, a place among the numbers.

use crate::OnnxError;
use std::rc::Rc;

/// The numbers of one tensor, and of all together.
pub(crate) const NUMBERS_MAX: usize = 1 << 20;

/// The dimensions of a tensor.
pub(crate) const RANK_MAX: usize = 8;

/// What the numbers of a tensor are. All are kept as `f64`, which holds each of them exactly; integers up to 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TensorKind {
    Single,
    Double,
    Integer,
    Boolean,
    /// Numbers of texts in a list.
    Text,
}

impl TensorKind {
    /// The kind of a number of `TensorProto.DataType`.
    pub(crate) fn of_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Single,
            2..=7 | 12 | 13 => Self::Integer,
            8 => Self::Text,
            9 => Self::Boolean,
            11 => Self::Double,
            _ => return None,
        })
    }

    /// The number as the kind holds it: rounded as arithmetic of 32 bits rounds, cut as a cast to an integer cuts.
    #[inline]
    pub(crate) fn hold(self, number: f64) -> f64 {
        match self {
            Self::Single => f64::from(number as f32),
            Self::Double | Self::Text => number,
            Self::Integer => number.trunc(),
            Self::Boolean => f64::from(u8::from(number != 0.0)),
        }
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Single | Self::Double)
    }
}

/// Where numbers lie: among the constants, or in what a judgement writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorPlace {
    pub(crate) is_constant: bool,
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// The labels of classes, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassLabels {
    pub(crate) kind: TensorKind,
    pub(crate) values: Vec<f64>,
}

/// A tensor of the graph.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) kind: TensorKind,
    pub(crate) shape: Vec<usize>,
    pub(crate) place: TensorPlace,
    /// Of a label: what it may be. Of a map: its keys.
    pub(crate) labels: Option<Rc<ClassLabels>>,
    pub(crate) is_map: bool,
}

impl Tensor {
    pub(crate) fn count(&self) -> usize {
        self.place.len
    }

    /// Its width, when it is a row.
    pub(crate) fn row(&self) -> Option<usize> {
        match *self.shape.as_slice() {
            [width] | [1, width] => Some(width),
            _ => None,
        }
    }
}

/// How many numbers a shape has.
pub(crate) fn count(shape: &[usize]) -> Result<usize, OnnxError> {
    // Dimensions of no size are counted too, so that the product of any of them is bounded.
    let bound = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size.max(&1)));
    if bound.is_none_or(|count| count > NUMBERS_MAX) || shape.len() > RANK_MAX {
        return Err(OnnxError::unsupported(format!("a tensor of more than {NUMBERS_MAX} numbers")));
    }
    Ok(shape.iter().product())
}

/// The distance of neighbours along each dimension.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    let mut step = 1;
    for (stride, size) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step *= size;
    }
    strides
}

/// The places in a tensor that `shape` visits row by row, when one step along each dimension is as long as `strides` say.
pub(crate) fn places(shape: &[usize], strides: &[isize], start: isize) -> Result<Vec<u32>, OnnxError> {
    let mut places = vec![start];
    count(shape)?;
    for (size, stride) in shape.iter().zip(strides) {
        places = places
            .iter()
            .flat_map(|place| (0..*size).map(move |step| place + step.cast_signed() * stride))
            .collect();
    }
    let place = |place| u32::try_from(place).map_err(|_| OnnxError::malformed("a place outside a tensor"));
    places.into_iter().map(place).collect()
}

/// The shape that both are stretched to.
pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, OnnxError> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], at: usize| {
        (at + shape.len()).checked_sub(rank).and_then(|at| shape.get(at)).copied().unwrap_or(1)
    };
    (0..rank)
        .map(|at| match (size(left, at), size(right, at)) {
            (1, size) | (size, 1) => Ok(size),
            (one, other) if one == other => Ok(one),
            _ => Err(OnnxError::malformed(format!("shapes {left:?} and {right:?} do not fit"))),
        })
        .collect()
}

/// The places of a tensor that is stretched to `to`; `None`: they are its own, in order.
pub(crate) fn stretched(from: &[usize], to: &[usize]) -> Result<Option<Box<[u32]>>, OnnxError> {
    if count(from)? == count(to)? {
        return Ok(None);
    }
    let own = strides(from);
    let steps: Vec<isize> = (0..to.len())
        .map(|at| {
            let at = (at + from.len()).checked_sub(to.len());
            match at.and_then(|at| Some((from.get(at)?, own.get(at)?))) {
                Some((size, stride)) if *size > 1 => stride.cast_signed(),
                _ => 0,
            }
        })
        .collect();
    places(to, &steps, 0).map(|places| Some(places.into()))
}
