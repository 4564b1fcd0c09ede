//! The stored form of streams, channels and detectors, and which parts of it can be used under the present config.

use super::bytes::{load_bytes, load_length, load_text, put, save_length, save_text};
use super::filter::Filter;
use super::ids::StreamId;
use crate::config::{DetectorConfig, StreamConfig, WindowConfig};
use crate::plan::PaneLayout;
use crate::sections::unread::{Unread, UnreadReason};
use headwater_kernel::detect::Alarm;
use headwater_kernel::series::{reads_windows, windows_version};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::Time;

/// The version of the pipeline's part of an alert. Raise it whenever its bytes change.
pub(super) const SLOT_VERSION: u16 = 1;

/// The tag of a stream that has neither windows nor a filter.
const NO_WINDOWS: u8 = 31;

/// How the state of a stream's series is stored.
pub(super) struct StoredStream {
    fingerprint: String,
    /// The tag of the window or filter, and the version of its bytes.
    windows: (u8, u16),
    pub(super) layout: PaneLayout,
    detectors: Vec<StoredDetector>,
}

struct StoredDetector {
    fingerprint: String,
    versions: Versions,
}

/// The versions of a detector's stored parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    /// The version of the pipeline's part of an alert.
    pub(super) slot: u16,
    /// The version of the alarm's state.
    pub(super) alert: u16,
    /// The version of the detector's own state.
    pub(super) detector: u16,
}

/// A stream as it was saved, and which parts of its state can be used.
pub(super) struct SavedStream {
    /// The stream's id now, if the config still has it.
    pub(super) index: Option<StreamId>,
    /// Whether windows and filters can be used, and why not; outer `None`: the config has changed.
    pub(super) windows: Option<Result<u16, UnreadReason>>,
    pub(super) layout: PaneLayout,
    /// The accumulators that the stored layout lacks, with the reason.
    pub(super) missing: Vec<(String, UnreadReason)>,
    /// For each saved detector: its index in the stream now, and which of its state can be used.
    pub(super) detectors: Vec<Option<(usize, GoesOn)>>,
}

/// Which parts of a detector's state can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoesOn {
    /// Everything.
    All,
    /// The alert; the detector learns anew.
    Alert(UnreadReason),
    /// Nothing.
    Nothing(UnreadReason),
}

impl Versions {
    pub(super) fn of(detector: u16) -> Self {
        Self { slot: SLOT_VERSION, alert: Alarm::VERSION, detector }
    }

    pub(super) fn save(self, to: &mut Vec<u8>) {
        [self.slot, self.alert, self.detector].iter().for_each(|version| version.save(&mut put(to)));
    }

    pub(super) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { slot: State::load(from)?, alert: State::load(from)?, detector: State::load(from)? })
    }

    /// The parts that a detector of version `detector` can use.
    pub(super) fn usable(self, detector: u16) -> GoesOn {
        let own = Self::of(detector);
        let differs =
            |stored: u16, read: u16| (stored != read).then_some(UnreadReason::Version { stored, read });
        if let Some(why) = differs(self.slot, own.slot).or(differs(self.alert, own.alert)) {
            return GoesOn::Nothing(why);
        }
        differs(self.detector, own.detector).map_or(GoesOn::All, GoesOn::Alert)
    }
}

impl StoredStream {
    pub(super) fn of(stream: &StreamConfig) -> Self {
        let detector = |config: &DetectorConfig| StoredDetector {
            fingerprint: config.fingerprint.clone(),
            versions: Versions::of(config.version),
        };
        Self {
            fingerprint: stream.fingerprint(),
            windows: match &stream.window {
                WindowConfig::Cut(specs) => {
                    let shape = &specs.of(false).shape;
                    (shape.tag(), windows_version(shape))
                }
                WindowConfig::None(Some(filter)) => (Filter::tag(filter), Filter::VERSION),
                WindowConfig::None(None) => (NO_WINDOWS, 1),
            },
            layout: PaneLayout::of(&stream.plan.pane()),
            detectors: stream.detectors.iter().map(detector).collect(),
        }
    }

    pub(super) fn save(&self, name: &str, to: &mut Vec<u8>) {
        save_text(to, name);
        save_text(to, &self.fingerprint);
        self.windows.0.save(&mut put(to));
        self.windows.1.save(&mut put(to));
        self.layout.save(to);
        save_length(to, self.detectors.len());
        for detector in &self.detectors {
            save_text(to, &detector.fingerprint);
            detector.versions.save(to);
        }
    }

    pub(super) fn load<'a>(from: &mut StateReader<'a>) -> Result<(&'a str, Self), Corrupt> {
        let (name, fingerprint) = (load_text(from)?, load_text(from)?.to_owned());
        let windows = (State::load(from)?, State::load(from)?);
        let layout = PaneLayout::load(from)?;
        let mut detectors = Vec::new();
        for _ in 0..load_length(from)? {
            let fingerprint = load_text(from)?.to_owned();
            detectors.push(StoredDetector { fingerprint, versions: Versions::load(from)? });
        }
        Ok((name, Self { fingerprint, windows, layout, detectors }))
    }

    /// The parts that a stream with this config can use.
    pub(super) fn match_config(self, (index, config): (StreamId, &StreamConfig)) -> SavedStream {
        let now = Self::of(config);
        let is_same = self.fingerprint == now.fingerprint && self.windows.0 == now.windows.0;
        let (stored, read) = (self.windows.1, now.windows.1);
        let is_read = match &config.window {
            WindowConfig::Cut(_) => reads_windows(stored),
            WindowConfig::None(_) => stored == read,
        };
        let windows = if is_read { Ok(stored) } else { Err(UnreadReason::Version { stored, read }) };
        let missing = self.layout.missing(&now.layout).into_iter().map(|part| {
            let why = part
                .stored
                .map_or(UnreadReason::Absent, |stored| UnreadReason::Version { stored, read: part.read });
            (format!("{} in open windows", part.name), why)
        });
        let detector = |stored: &StoredDetector| {
            let of = |config: &DetectorConfig| config.fingerprint == stored.fingerprint;
            let at = config.detectors.iter().position(of)?;
            Some((at, stored.versions.usable(config.detectors.get(at)?.version)))
        };
        SavedStream {
            index: Some(index),
            windows: is_same.then_some(windows),
            missing: missing.collect(),
            detectors: self.detectors.iter().map(detector).collect(),
            layout: self.layout,
        }
    }

    /// No part: the stream no longer exists.
    pub(super) fn without_stream(self) -> SavedStream {
        SavedStream {
            index: None,
            windows: None,
            missing: Vec::new(),
            detectors: self.detectors.iter().map(|_| None).collect(),
            layout: self.layout,
        }
    }
}

/// A channel as a checkpoint stores it.
pub(super) struct StoredChannel<'a> {
    pub(super) by_arrival: bool,
    pub(super) forwarded: (Time, u32),
    pub(super) windows: &'a [u8],
    /// The state that its detectors share.
    pub(super) judged: &'a [u8],
    /// The state of each detector.
    pub(super) detectors: Vec<&'a [u8]>,
}

impl<'a> StoredChannel<'a> {
    /// Reads a channel with `detectors` detectors; nothing may follow it.
    pub(super) fn load(detectors: usize, from: &mut StateReader<'a>) -> Result<Self, Corrupt> {
        let stored = Self {
            by_arrival: bool::load(from)?,
            forwarded: (Time::load(from)?, u32::load(from)?),
            windows: load_bytes(from)?,
            judged: load_bytes(from)?,
            detectors: (0..detectors).map(|_| load_bytes(from)).collect::<Result<_, _>>()?,
        };
        if from.rest().is_empty() { Ok(stored) } else { Err(Corrupt) }
    }
}

/// Notes a detector of one series or group that was not fully restored.
pub(super) fn note_detector(goes_on: GoesOn, name: &str, stream: &str, unread: &mut Unread) {
    match goes_on {
        GoesOn::All => {}
        GoesOn::Alert(UnreadReason::Version { stored, read }) if stored < read => unread.learn_anew(),
        GoesOn::Alert(why) | GoesOn::Nothing(why) => {
            unread.of_series(&format!("detector `{name}`"), stream, "starts anew", why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_of_an_older_version_learns_anew_in_silence_and_one_of_a_newer_version_is_told() {
        let mut unread = Unread::default();
        note_detector(GoesOn::All, "auto", "air", &mut unread);
        assert!(!unread.learns_anew());
        note_detector(
            GoesOn::Alert(UnreadReason::Version { stored: 1, read: 2 }),
            "auto",
            "air",
            &mut unread,
        );
        assert!(unread.learns_anew() && unread.to_string().is_empty(), "{unread}");
        let newer = GoesOn::Alert(UnreadReason::Version { stored: 3, read: 2 });
        note_detector(newer, "auto", "air", &mut unread);
        assert!(unread.to_string().contains("detector `auto`"), "{unread}");
    }
}
