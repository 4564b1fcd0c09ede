//! Why a file does not run here, and the way out.

use headwater_protobuf::BadWire;

/// A file that does not run here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// It cannot be read from the disk.
    #[error("{0}")]
    Unreadable(String),
    /// It is larger than a model may be.
    #[error(
        "{0} bytes, and an ONNX file may have at most {max}; train with fewer or shallower trees, or with fewer \
         support vectors",
        max = crate::FILE_BYTES_MAX
    )]
    TooLarge(u64),
    /// It is no ONNX file, or only a part of one.
    #[error("not an ONNX file, or cut off: {0}")]
    Malformed(String),
    /// It holds operators that do not run; their names.
    #[error(
        "operators that do not run here: {}; export another kind of model (the guide lists those that run), or train \
         one with `headwater train`",
        .0.join(", ")
    )]
    Operators(Vec<String>),
    /// It holds something else that does not run.
    #[error("{0}")]
    Unsupported(String),
}

impl From<BadWire> for OnnxError {
    fn from(_: BadWire) -> Self {
        Self::Malformed("the bytes are no protocol buffer".into())
    }
}

impl OnnxError {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }
}
