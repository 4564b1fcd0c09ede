//! Groups in a checkpoint: a section each, by the names of stream, detector and group.

use super::super::bytes::{load_bytes, load_text, put, save_measured, save_text};
use super::super::revisions::AlertIdentity;
use super::super::saved::{GoesOn, Versions, note_detector};
use super::super::stream::Streams;
use super::{Group, Groups};
use crate::sections::SectionWriter;
use crate::sections::body::{self, StoredBody};
use crate::sections::unread::{Unread, UnreadReason};
use headwater_kernel::detect::ROWS_VERSION;
use headwater_kernel::state::{Corrupt, State, StateReader};

impl Groups {
    /// Appends the state; see `pipeline/state.rs`.
    pub(in super::super) fn save(&self, streams: &Streams, to: &mut impl SectionWriter) {
        let known = self.by_name.iter().filter_map(|((stream, detector, name), index)| {
            let stream = streams.config(*stream)?;
            let config = stream.groups.get(*detector as usize)?;
            let group = self.groups.at(*index)?;
            Some((*index, stream, config, name, group, group.judge.as_deref()?))
        });
        let mut known: Vec<_> = known.collect();
        known.sort_unstable_by_key(|(index, ..)| *index);
        for (_, stream, config, name, group, judge) in known {
            body::GROUP.put(to, |to| {
                save_text(to, &stream.name);
                save_text(to, &config.fingerprint);
                save_text(to, name);
                ROWS_VERSION.save(&mut put(to));
                Versions::of(judge.version()).save(to);
                save_measured(to, |to| {
                    group.awaited.save(&mut put(to));
                    group.corrected_ms.save(&mut put(to));
                    group.identity.save(to);
                    judge.save(&mut put(to));
                });
            });
        }
    }

    /// Restores the groups that still exist. Their series are restored before them.
    pub(in super::super) fn restore(
        &mut self,
        streams: &Streams,
        stored: StoredBody<'_>,
        unread: &mut Unread,
    ) {
        for section in stored.all(body::GROUP) {
            let read = body::GROUP.read(section, |from| self.restore_group(streams, from, unread));
            read.unwrap_or_else(|why| unread.part("a group", "starts anew", why));
        }
    }

    fn restore_group(
        &mut self,
        streams: &Streams,
        from: &mut StateReader<'_>,
        unread: &mut Unread,
    ) -> Result<(), Corrupt> {
        let (stream, fingerprint, name) = (load_text(from)?, load_text(from)?, load_text(from)?);
        let (rows, versions) = (u16::load(from)?, Versions::load(from)?);
        let state = load_bytes(from)?;
        let Some((at, config)) = streams.find(stream) else { return Ok(()) };
        let detector = (0_u32..).zip(&config.groups).find(|(_, known)| known.fingerprint == fingerprint);
        let Some((detector, group)) = detector else { return Ok(()) };
        let index = self.by_name.get(&(at, detector, name.to_owned())).copied();
        let place = index.and_then(|index| self.groups.at_mut(index));
        let Some(place) = place else { return Ok(()) };
        let goes_on = match (rows, ROWS_VERSION) {
            (stored, read) if stored != read => GoesOn::Nothing(UnreadReason::Version { stored, read }),
            _ => versions.usable(group.judge.version()),
        };
        let read = place.restore(goes_on, state);
        let goes_on = if read.is_ok() { goes_on } else { GoesOn::Nothing(UnreadReason::Damaged) };
        note_detector(goes_on, &group.name, stream, unread);
        Ok(())
    }
}

impl Group {
    /// Restores what can be used of the saved state.
    fn restore(&mut self, goes_on: GoesOn, state: &[u8]) -> Result<(), Corrupt> {
        let Some(judge) = &mut self.judge else { return Ok(()) };
        let mut from = StateReader::new(state);
        if let GoesOn::Nothing(_) = goes_on {
            return Ok(());
        }
        let (awaited, corrected_ms) = (State::load(&mut from)?, State::load(&mut from)?);
        let identity = AlertIdentity::load(&mut from)?;
        judge.restore(matches!(goes_on, GoesOn::Alert(_)), &mut from)?;
        (self.awaited, self.corrected_ms, self.identity) = (awaited, corrected_ms, identity);
        Ok(())
    }
}
