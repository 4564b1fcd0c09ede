//! Stores events about the agent itself. Counts have names: an unknown count is skipped, and a missing one is 0.

use super::fields::{Reader, StoredFields, put_field, put_signed, put_text, put_varint};
use super::parts::{StoredError, bad, put_count, put_name, put_time, signed, text, time};
use super::tags;
use headwater_pipeline::account::{MessageDelta, ReadingCounts, ReadingLedger, SourceCounts};
use headwater_pipeline::event::{
    AckCounts, AgentPresence, BootId, CheckpointBudget, CheckpointFigures, ClockSet, DiskStatus, Report,
    ReportCause, RunEnd, SyncFigures,
};

pub(super) fn put_report(to: &mut Vec<u8>, report: &Report) {
    put_name(to, tags::AGENT, &report.agent);
    put_time(to, &report.to);
    put_field(to, tags::LENGTH, |to| put_signed(to, report.to.ms.wrapping_sub(report.from_ms)));
    put_name(to, tags::CAUSE, report.cause.word());
    put_name(to, tags::DETAIL, &report.detail);
    put_name(to, tags::STOP, report.stop.map_or("", RunEnd::word));
    let ReadingLedger { total, sources, streams } = &report.readings;
    put_named(to, tags::READINGS, &total.named());
    put_parts(to, tags::SOURCES, sources, |counts| counts.named().to_vec());
    put_parts(to, tags::STREAMS, streams, |counts| counts.named().to_vec());
    put_named(to, tags::MESSAGES, &report.messages.named());
    put_named(to, tags::READINGS_TOTAL, &report.readings_total.named());
    put_named(to, tags::MESSAGES_TOTAL, &report.messages_total.named());
    put_field(to, tags::SUPPRESSED, |to| {
        put_signed(to, report.suppressed);
        put_signed(to, report.suppressed_total);
    });
}

pub(super) fn read_report(fields: &StoredFields<'_>) -> Result<Report, StoredError> {
    let to = time(fields)?;
    let word = text(fields, tags::CAUSE)?;
    let known = ReportCause::ALL.iter().copied().find(|cause| cause.word() == word);
    let cause = known.ok_or_else(|| StoredError::Cause(word.to_owned()))?;
    let stop = text(fields, tags::STOP)?;
    let mut suppressed = fields.of(tags::SUPPRESSED);
    let mut next = || suppressed.signed().ok_or(bad(tags::SUPPRESSED));
    let readings = ReadingLedger {
        total: ReadingCounts::from_named(named(fields, tags::READINGS)?),
        sources: parts(fields, tags::SOURCES, SourceCounts::from_named)?,
        streams: parts(fields, tags::STREAMS, ReadingCounts::from_named)?,
    };
    Ok(Report {
        agent: text(fields, tags::AGENT)?.into(),
        from_ms: to.ms.wrapping_sub(signed(fields, tags::LENGTH)?),
        to,
        cause,
        detail: text(fields, tags::DETAIL)?.to_owned(),
        stop: RunEnd::ALL.iter().copied().find(|end| end.word() == stop),
        readings,
        messages: MessageDelta::from_named(named(fields, tags::MESSAGES)?),
        readings_total: ReadingCounts::from_named(named(fields, tags::READINGS_TOTAL)?),
        messages_total: MessageDelta::from_named(named(fields, tags::MESSAGES_TOTAL)?),
        suppressed: next()?,
        suppressed_total: next()?,
    })
}

pub(super) fn put_clock(to: &mut Vec<u8>, set: &ClockSet) {
    put_name(to, tags::AGENT, &set.agent);
    put_time(to, &set.time);
    put_name(to, tags::BOOT, &set.boot);
    put_field(to, tags::OFFSET, |to| put_signed(to, set.offset_ms));
    put_count(to, tags::ESTIMATED, u64::from(set.estimated));
}

pub(super) fn read_clock(fields: &StoredFields<'_>) -> Result<ClockSet, StoredError> {
    Ok(ClockSet {
        agent: text(fields, tags::AGENT)?.into(),
        time: time(fields)?,
        boot: BootId::from(text(fields, tags::BOOT)?),
        offset_ms: signed(fields, tags::OFFSET)?,
        estimated: fields.of(tags::ESTIMATED).rest_varint() == Some(1),
    })
}

pub(super) fn put_status(to: &mut Vec<u8>, status: &AgentPresence) {
    put_name(to, tags::AGENT, &status.agent);
    put_field(to, tags::TIME, |to| put_signed(to, status.started_ms));
    put_count(to, tags::ONLINE, u64::from(status.online));
    if let Some(boot) = &status.boot {
        put_field(to, tags::BOOT, |to| to.extend_from_slice(boot.as_bytes()));
    }
    put_field(to, tags::TROUBLE, |to| status.trouble.iter().for_each(|text| put_text(to, text)));
    if let Some(disk) = &status.disk {
        put_field(to, tags::DISK, |to| {
            let own = [disk.used_bytes, disk.written_today_bytes, disk.daily_writes];
            own.into_iter().chain(disk.device_written_today_bytes).for_each(|bytes| put_varint(to, bytes));
        });
    }
    if let Some(checkpoint) = &status.checkpoint {
        put_field(to, tags::CHECKPOINT, |to| {
            let budget = checkpoint.budget.map(|budget| [budget.allowed_ms, budget.daily_bytes]);
            let own = [checkpoint.every_ms, checkpoint.age_ms];
            own.into_iter().chain(budget.into_iter().flatten()).for_each(|number| put_varint(to, number));
        });
    }
    if let Some(SyncFigures { every_ms, allowed_ms }) = status.sync {
        put_field(to, tags::SYNC, |to| {
            [every_ms].into_iter().chain(allowed_ms).for_each(|number| put_varint(to, number));
        });
    }
    put_field(to, tags::ACKS, |to| {
        for AckCounts { source, held, stalled_ms, window } in &status.acks {
            put_text(to, source);
            let window = window.map_or(0, |window| window.saturating_add(1));
            [*held, *stalled_ms, window].into_iter().for_each(|number| put_varint(to, number));
        }
    });
}

pub(super) fn read_status(fields: &StoredFields<'_>) -> Result<AgentPresence, StoredError> {
    let boot = fields.get(tags::BOOT).map(|_| text(fields, tags::BOOT)).transpose()?;
    let owned = |from: &mut Reader<'_>| from.text().map(str::to_owned);
    Ok(AgentPresence {
        agent: text(fields, tags::AGENT)?.into(),
        online: fields.of(tags::ONLINE).rest_varint() == Some(1),
        started_ms: signed(fields, tags::TIME)?,
        boot: boot.map(BootId::from),
        trouble: fields.of(tags::TROUBLE).list(owned).ok_or(bad(tags::TROUBLE))?,
        disk: fields.get(tags::DISK).map(|disk| read_disk(disk).ok_or(bad(tags::DISK))).transpose()?,
        checkpoint: fields
            .get(tags::CHECKPOINT)
            .map(|from| read_checkpoint(from).ok_or(bad(tags::CHECKPOINT)))
            .transpose()?,
        sync: fields.get(tags::SYNC).map(|from| read_sync(from).ok_or(bad(tags::SYNC))).transpose()?,
        acks: fields.of(tags::ACKS).list(next_acks).ok_or(bad(tags::ACKS))?,
    })
}

fn read_sync(mut from: Reader<'_>) -> Option<SyncFigures> {
    Some(SyncFigures { every_ms: from.varint()?, allowed_ms: from.varint() })
}

fn next_acks(from: &mut Reader<'_>) -> Option<AckCounts> {
    let source = from.text()?.to_owned();
    let (held, stalled_ms, window) = (from.varint()?, from.varint()?, from.varint()?);
    Some(AckCounts { source, held, stalled_ms, window: window.checked_sub(1) })
}

fn read_checkpoint(mut from: Reader<'_>) -> Option<CheckpointFigures> {
    let (every_ms, age_ms) = (from.varint()?, from.varint()?);
    let budget = from.varint().zip(from.varint());
    let budget = budget.map(|(allowed_ms, daily_bytes)| CheckpointBudget { allowed_ms, daily_bytes });
    Some(CheckpointFigures { every_ms, age_ms, budget })
}

fn read_disk(mut from: Reader<'_>) -> Option<DiskStatus> {
    let (used_bytes, written_today_bytes, daily_writes) = (from.varint()?, from.varint()?, from.varint()?);
    let device_written_today_bytes = from.varint();
    Some(DiskStatus { used_bytes, written_today_bytes, daily_writes, device_written_today_bytes })
}

fn put_counts(to: &mut Vec<u8>, counts: &[(&'static str, i64)]) {
    for (name, count) in counts.iter().filter(|(_, count)| *count != 0) {
        put_text(to, name);
        put_signed(to, *count);
    }
}

fn put_named(to: &mut Vec<u8>, tag: u8, counts: &[(&'static str, i64)]) {
    put_field(to, tag, |to| put_counts(to, counts));
}

fn put_parts<T>(
    to: &mut Vec<u8>,
    tag: u8,
    parts: &[(String, T)],
    named: impl Fn(&T) -> Vec<(&'static str, i64)>,
) {
    put_field(to, tag, |to| {
        for (name, counts) in parts {
            let counts = named(counts);
            put_text(to, name);
            put_varint(to, counts.iter().filter(|(_, count)| *count != 0).count() as u64);
            put_counts(to, &counts);
        }
    });
}

/// Counts by name.
type Named<'a> = Vec<(&'a str, i64)>;

fn next_count<'a>(from: &mut Reader<'a>) -> Option<(&'a str, i64)> {
    Some((from.text()?, from.signed()?))
}

fn named<'a>(fields: &StoredFields<'a>, tag: u8) -> Result<Named<'a>, StoredError> {
    fields.of(tag).list(next_count).ok_or(bad(tag))
}

fn parts<'a, T>(
    fields: &StoredFields<'a>,
    tag: u8,
    of: impl Fn(Named<'a>) -> T,
) -> Result<Vec<(String, T)>, StoredError> {
    let part = |from: &mut Reader<'a>| {
        let (name, count) = (from.text()?.to_owned(), from.varint()?);
        Some((name, of((0..count).map(|_| next_count(from)).collect::<Option<_>>()?)))
    };
    fields.of(tag).list(part).ok_or(bad(tag))
}
