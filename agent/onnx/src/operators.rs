//! The operators that run: those that skl2onnx 1.20 writes for scikit-learn's pipelines.
//!
//! Source: the operator schemas of ONNX 1.23, and what onnxruntime 1.32 makes of them. A number of 32 bits is rounded where
//! onnxruntime rounds it, except inside sums and products of rows, which are added up in 64 bits: they differ from
//! onnxruntime's in the last bits, as its own do from processor to processor.

mod arithmetic;
mod axes;
mod features;
mod layout;
mod linear;
mod lookup;
mod matrix;
mod reduce;
mod scores;
mod shapes;
mod svm;
mod trees;

use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;

/// Compiles a node of a graph, whose domain has operators of a version.
pub(crate) type Compile = for<'a> fn(&mut Builder<'a>, &ProtoNode<'a>, u64) -> Result<(), OnnxError>;

/// The operators of scikit-learn's models.
pub(crate) const ML: &str = "ai.onnx.ml";

/// How an operator is compiled; `None`: it does not run here.
pub(crate) fn find(domain: &str, operator: &str) -> Option<Compile> {
    let compile: Compile = match (domain, operator) {
        (ML, "ArrayFeatureExtractor") => layout::array_feature_extractor,
        (ML, "Binarizer") => features::binarizer,
        (ML, "FeatureVectorizer") => layout::feature_vectorizer,
        (ML, "Imputer") => features::imputer,
        (ML, "LabelEncoder") => lookup::label_encoder,
        (ML, "LinearClassifier") => linear::classifier,
        (ML, "LinearRegressor") => linear::regressor,
        (ML, "Normalizer") => features::normalizer,
        (ML, "Scaler") => features::scaler,
        (ML, "SVMClassifier") => svm::classifier,
        (ML, "SVMRegressor") => svm::regressor,
        (ML, "TreeEnsemble") => trees::ensemble,
        (ML, "TreeEnsembleClassifier") => trees::classifier,
        (ML, "TreeEnsembleRegressor") => trees::regressor,
        (ML, "ZipMap") => lookup::zip_map,
        ("", "ArgMax" | "ArgMin") => reduce::arg,
        ("", "Cast") => arithmetic::cast,
        ("", "Clip") => arithmetic::clip,
        ("", "Concat") => layout::concat,
        ("", "Constant") => shapes::constant,
        ("", "ConstantOfShape") => shapes::constant_of_shape,
        ("", "Expand") => layout::expand,
        ("", "Flatten") => shapes::flatten,
        ("", "Gather") => layout::gather,
        ("", "Gemm") => matrix::gemm,
        ("", "Identity" | "Dropout") => shapes::identity,
        ("", "LpNormalization") => reduce::lp_normalization,
        ("", "MatMul") => matrix::mat_mul,
        ("", "Reshape") => shapes::reshape,
        ("", "Shape") => shapes::shape,
        ("", "Slice") => layout::slice,
        ("", "Softmax" | "LogSoftmax") => reduce::softmax,
        ("", "Squeeze") => shapes::squeeze,
        ("", "Transpose") => layout::transpose,
        ("", "Unsqueeze") => shapes::unsqueeze,
        ("", "Where") => arithmetic::choose,
        ("", _) if arithmetic::unary_of(operator).is_some() => arithmetic::unary,
        ("", _) if arithmetic::binary_of(operator).is_some() => arithmetic::binary,
        ("", _) if arithmetic::variadic_of(operator).is_some() => arithmetic::variadic,
        ("", _) if reduce::reduction_of(operator).is_some() => reduce::reduction,
        _ => return None,
    };
    Some(compile)
}
