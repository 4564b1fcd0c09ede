//! The tags of stored fields. A tag is never reused; new ones go at the end.

pub(super) const AGENT: u8 = 1;
pub(super) const STREAM: u8 = 2;
pub(super) const SERIES: u8 = 3;
/// Key, value, key, value, ….
pub(super) const LABELS: u8 = 4;
/// The clock of the event's own times: how often it was set back, or 0 and a boot's id.
pub(super) const CLOCK: u8 = 5;
/// Start of a window or an interval, or the time of the event (ms).
pub(super) const TIME: u8 = 6;
/// The length of a window or an interval (ms).
pub(super) const LENGTH: u8 = 7;
pub(super) const REV: u8 = 8;
/// The number of a count window, plus 1.
pub(super) const NUMBER: u8 = 9;
/// Name, 0 and a count, or name, 1 and a number, ….
pub(super) const NUMBERS: u8 = 10;
/// Two names.
pub(super) const PAIR: u8 = 11;
/// The time since the previous one, value, ….
pub(super) const POINTS: u8 = 12;
/// Version u16, state; empty: the sketch is that of the accumulators.
pub(super) const SKETCH: u8 = 13;
/// The accumulators of a window, see `plan/stored.rs`.
pub(super) const PANE: u8 = 14;
pub(super) const VALUE: u8 = 15;
pub(super) const DETECTOR: u8 = 16;
/// 1: cleared.
pub(super) const CLEARED: u8 = 17;
pub(super) const RAISED: u8 = 18;
/// As CLOCK.
pub(super) const RAISED_CLOCK: u8 = 19;
pub(super) const SEVERITY: u8 = 20;
pub(super) const ON: u8 = 21;
/// Name, value, ….
pub(super) const VALUES: u8 = 22;
pub(super) const EXPECTED: u8 = 23;
pub(super) const SCORE: u8 = 24;
pub(super) const REASON: u8 = 25;
/// As POINTS.
pub(super) const EVIDENCE: u8 = 26;
/// Name, how many, then as POINTS, ….
pub(super) const EVIDENCE_OF_EACH: u8 = 27;
/// The word on the wire.
pub(super) const CAUSE: u8 = 28;
pub(super) const DETAIL: u8 = 29;
/// Name, count, …: of readings, in total.
pub(super) const READINGS: u8 = 30;
/// Name, how many, then as READINGS, ….
pub(super) const SOURCES: u8 = 31;
/// As SOURCES.
pub(super) const STREAMS: u8 = 32;
pub(super) const MESSAGES: u8 = 33;
pub(super) const READINGS_TOTAL: u8 = 34;
pub(super) const MESSAGES_TOTAL: u8 = 35;
/// For the interval, then since the state began.
pub(super) const SUPPRESSED: u8 = 36;
pub(super) const BOOT: u8 = 37;
pub(super) const OFFSET: u8 = 38;
/// 1: estimated.
pub(super) const ESTIMATED: u8 = 39;
/// 1: online.
pub(super) const ONLINE: u8 = 40;
/// Texts.
pub(super) const TROUBLE: u8 = 41;
/// Bytes: used, written today, allowed per day; then those of the device, if it counts them.
pub(super) const DISK: u8 = 42;
/// The word on the wire for how the run before ended.
pub(super) const STOP: u8 = 43;
/// 1: may lack readings.
pub(super) const PARTIAL: u8 = 44;
/// Configured interval and age of the last one (ms); then, if they are known, the interval that is allowed (ms) and the bytes
/// of a day.
pub(super) const CHECKPOINT: u8 = 45;
/// Configured interval (ms); then, if it is known, the interval that is allowed (ms).
pub(super) const SYNC: u8 = 46;
/// Of each source: name, messages held, time stalled (ms), window plus 1 or 0.
pub(super) const ACKS: u8 = 47;
/// The end that the id of a window has, where it is another than that of the window: after its start (ms).
pub(super) const NAMED_LENGTH: u8 = 48;
/// 1: retracted.
pub(super) const RETRACTED: u8 = 49;
/// What a model says.
pub(super) const CLASS: u8 = 50;
