//! What the engine puts into the journal, and when.
//!
//! All input of the pipeline, in the order of the calls; reports, which the engine makes itself, as they are. What the
//! journal cannot repeat (the clock is set, or its time is not known) ends it until the next checkpoint.

use super::Engine;
use super::earlier::save_account;
use super::replay::Told;
use crate::journal::{Base, Journal};
use crate::{blocking, checkpoint};
use headwater_forwarder::Message;
use headwater_kernel::time::Now;
use headwater_pipeline::pipeline::{Pipeline, SeriesHandle};
use headwater_pipeline::sections::body;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// So often it is noted what is acknowledged or in the buffer: a crash sends again what is not.
const KEPT_EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// Notes what happens, where there is a journal.
    #[inline]
    pub(super) fn note(&self, note: impl FnOnce(&Journal)) {
        if let Some(journal) = &self.journal {
            note(journal);
        }
    }

    /// Why a crash would cost more than it should.
    pub(super) fn journal_trouble(&self) -> Option<String> {
        self.journal.as_ref().and_then(Journal::trouble)
    }

    /// A checkpoint with this body has been taken: the number of the segment that follows it.
    pub(super) fn begin_segment(&self, taken: &[u8], now: Now) -> u64 {
        let Some(journal) = &self.journal else { return 0 };
        let pipeline = self.pipeline.borrow();
        if !now.synced {
            return journal.skip();
        }
        journal.begin(Base::of(taken), now, |opening| {
            opening.rev_limit(pipeline.rev_limit().map(|limit| limit.0));
            opening.pressure(self.memory.pressure());
            pipeline.introduced(|SeriesHandle(handle), source, name, labels| {
                opening.series(handle, source, name, labels);
            });
            pipeline.sources_down().for_each(|source| opening.down(source, now));
        })
    }

    /// What the journal cannot repeat is about to happen.
    pub(super) fn end_segment(&self) {
        if let Some(journal) = self.journal.as_ref().filter(|journal| journal.is_on()) {
            self.settle();
            journal.end();
            self.checkpointer.request();
        }
    }

    /// Returns when the journal takes so much room that a checkpoint is due.
    pub(super) async fn journal_full(&self) {
        match &self.journal {
            Some(journal) => journal.full().await,
            None => std::future::pending().await,
        }
    }

    /// Puts a checkpoint beside the journal and empties the journal. Nothing goes to the disk.
    pub(super) async fn shorten_journal(&self, next_ms: i64) {
        let is_full = |journal: &&Journal| journal.is_on() && journal.is_full();
        let Some(journal) = self.journal.as_ref().filter(is_full) else { return };
        self.settle();
        let (now, mut taken) = (self.now(), Vec::new());
        self.save_own(false, next_ms, &mut taken);
        self.pipeline.borrow().save(now, &mut taken);
        let position = self.forwarder().position();
        let segment = self.begin_segment(&taken, now);
        if !self.is_safe(&position).await {
            return;
        }
        let path = journal.checkpoint_path();
        match blocking::run(move || checkpoint::write(&path, &taken)).await {
            Ok(bytes) => {
                tracing::debug!(bytes, "the journal begins anew");
                journal.drop_before(segment);
            }
            Err(error) => journal.trouble_with(&error),
        }
    }

    /// A checkpoint is durable.
    pub(super) fn note_durable(&self, segment: u64, pipeline: &Pipeline) {
        self.note(|journal| {
            journal.drop_before(segment);
            journal.rev_limit(pipeline.rev_limit().map(|limit| limit.0));
        });
    }

    /// The state is on the disk, and nothing follows.
    pub(crate) fn remove_journal(&self) {
        self.note(Journal::remove);
    }

    /// A report leaves.
    pub(super) fn note_report(&self, message: &Message) {
        self.note(|journal| {
            journal.flush();
            self.note_own(journal);
            journal.message(message.lane as u8, message.made_ms, &message.body);
            journal.flush();
        });
    }

    /// What the engine itself remembers has changed.
    pub(super) fn note_own(&self, journal: &Journal) {
        let mut sections = Vec::new();
        self.save_progress(&mut sections);
        journal.engine(&sections);
    }

    /// Whether the next run has to make such messages again: the sources hand over once more what they were made of, or
    /// the journal has it and no room for the messages too.
    pub(crate) fn must_make_again(&self, messages: &[Message]) -> bool {
        let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
        self.journal.as_ref().is_none_or(|journal| journal.is_on() && !journal.has_room(bytes))
    }

    /// Keeps messages that are on no disk for the next run, which tells them again, in the segment of the checkpoint that
    /// was taken last. False: the journal is not written now.
    pub(crate) fn keep(&self, messages: &[Message]) -> bool {
        let Some(journal) = self.journal.as_ref().filter(|journal| journal.is_on()) else { return false };
        for message in messages {
            journal.message(message.lane as u8, message.made_ms, &message.body);
            journal.flush();
        }
        journal.is_on()
    }

    /// What an earlier run had told, and that may not have arrived: equal to what it was.
    pub(super) fn tell_again(&self, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Event(at, event) => self.outgoing.send(event, at),
                Told::Message(message) => self.outgoing.push(message),
            }
        }
    }

    /// Writes what has gathered as soon as the sources pause; never returns.
    pub(crate) async fn journal_forever(&self) {
        let Some(journal) = &self.journal else { return std::future::pending().await };
        loop {
            journal.gathered().await;
            self.settle();
        }
    }

    /// Notes now and then which messages need not be sent again; never returns.
    pub(crate) async fn note_kept_forever(&self) {
        let Some(journal) = &self.journal else { return std::future::pending().await };
        let mut noted = None;
        loop {
            sleep(KEPT_EVERY).await;
            let account = self.message_account();
            if !journal.is_on() || !self.outgoing.is_open() || noted == Some(account) {
                continue;
            }
            self.settle();
            let (place, position) = (journal.place(), self.forwarder().position());
            if timeout(KEPT_EVERY, self.forwarder().kept(&position)).await.is_err() || !journal.is_on() {
                continue;
            }
            let account = self.message_account();
            let mut sections = Vec::new();
            body::MESSAGES.put(&mut sections, |to| save_account(to, &account));
            journal.engine(&sections);
            journal.kept(place);
            noted = Some(account);
        }
    }
}
