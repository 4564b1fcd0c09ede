//! A small evaluator of ONNX files, as skl2onnx makes them of scikit-learn's pipelines.
//!
//! A file is read and compiled once ([`OnnxModel::read`]): its operators become a fixed list of steps over numbers whose
//! places are known, and what depends on no feature is computed then. A judgement ([`OnnxModel::judge`]) runs the steps over
//! one row of features and allocates nothing. Several judges share a model; each has a [`OnnxScratch`] of its own.
//!
//! Limits: a file of 16 MiB, 65,536 operators, 1,048,576 numbers in tensors, 262,144 nodes of trees, 8,388,608 operations a
//! judgement. What is above is refused with the way out. Memory while a file is read: at most eight bytes for one of a list
//! in the file, of one operator at a time, and 200 bytes a node of trees.
//!
//! Source: ONNX 1.23 (`onnx.proto` and the operator schemas); onnxruntime 1.32 where these are silent. Deviations: no
//! subgraphs, no sequences but the map of `ZipMap`, no numbers of 16 bits; of a batch one row is judged at a time.

mod builder;
mod error;
mod model;
mod operators;
mod proto;
mod step;
mod tensor;

pub use error::OnnxError;
pub use model::{OnnxAnswer, OnnxModel, OnnxPurpose, OnnxScratch};

/// The largest file that is read (bytes).
pub const FILE_BYTES_MAX: u64 = 16 << 20;
