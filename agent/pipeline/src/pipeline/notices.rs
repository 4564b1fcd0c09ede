//! What a person should know of readings that cannot be used.

use super::Pipeline;
use super::ids::StreamId;
use super::unusable::why_unusable;
use headwater_expression::EvalError;
use headwater_kernel::time::Time;

/// A problem that a person should know about; emitted at most now and then.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceNotice {
    /// Index of the source.
    pub source: usize,
    /// The problem and its remedy.
    pub text: String,
}

impl Pipeline {
    /// The latest problem that a person should know about, if it is new.
    pub fn take_notice(&mut self) -> Option<SourceNotice> {
        self.emitter.notice.take()
    }

    /// Names the first reading of a stream that `map` has no value for.
    #[cold]
    pub(super) fn note_unmapped(
        &mut self,
        (source, stream): (usize, StreamId),
        value: f64,
        error: EvalError,
    ) {
        let Some(stream) = self.streams.at_mut(stream) else { return };
        if !std::mem::replace(&mut stream.has_named_unmapped, true) {
            let name = &stream.config.name;
            let text = format!(
                "`map` of stream `{name}` has no value for {value}, which counts as invalid: {error}"
            );
            self.emitter.notice = Some(SourceNotice { source, text });
        }
    }

    #[cold]
    pub(super) fn note_unusable(&mut self, source: usize, time: Time, now: Time) {
        self.emitter.notice = Some(SourceNotice { source, text: why_unusable(time, now) });
    }
}
