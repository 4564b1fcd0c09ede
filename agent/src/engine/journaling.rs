//! What the engine puts into the journal, and when.
//!
//! All input of the pipeline, in the order of the calls; reports, which the engine makes itself, as they are. What the
//! journal cannot repeat (the clock is set, or its time is not known) ends it until the next checkpoint.

use super::Engine;
use super::earlier::save_account;
use super::replay::Told;
use crate::checkpoint::BodyWriter;
use crate::journal::Base;
use crate::{blocking, checkpoint};
use headwater_forwarder::Message;
use headwater_kernel::time::Now;
use headwater_pipeline::pipeline::Pipeline;
use headwater_pipeline::sections::body;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long messages may take to be acknowledged or in the buffer, before the next look at which are. A crash sends the others
/// again.
const KEPT_WITHIN: Duration = Duration::from_secs(1);

/// How long records gather that no source waits for.
const GATHER: Duration = Duration::from_millis(100);

impl Engine {
    /// Begins the segment behind a checkpoint with this body, and returns its number.
    pub(super) fn begin_segment(&self, taken: Base, now: Now) -> u64 {
        let pipeline = self.pipeline.borrow();
        if !now.synced {
            return self.journal.skip();
        }
        self.journal.begin(taken, now, |opening| {
            opening.rev_limit(pipeline.rev_limit().map(|limit| limit.0));
            opening.pressure(self.memory.pressure());
            pipeline.source_names().for_each(|(source, name)| opening.source(source, name));
            pipeline.introduced(|series, source, name, labels| {
                opening.series(series.number(), source, name, labels);
            });
            pipeline.sources_down().for_each(|source| opening.down(source, now));
        })
    }

    /// Ends the segment before a change that the journal cannot repeat, such as a step of the clock.
    pub(super) fn end_segment(&self) {
        if self.journal.is_on() {
            self.settle();
            self.journal.end();
            self.checkpointer.request();
        }
    }

    /// Returns when the journal takes so much room that a checkpoint is due.
    pub(super) async fn journal_full(&self) {
        self.journal.full().await;
    }

    /// Puts a checkpoint beside the journal and empties the journal. Nothing goes to the disk.
    pub(super) async fn shorten_journal(&self, next_ms: i64) {
        let journal = &self.journal;
        if !journal.is_on() || !journal.is_full() {
            return;
        }
        self.settle();
        let (now, mut taken) = (self.now(), BodyWriter::default());
        self.save_own(false, next_ms, &mut taken);
        self.pipeline.borrow().save(now, &mut taken);
        let taken = taken.finish();
        let position = self.forwarder().position();
        let segment = self.begin_segment(taken.name(), now);
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

    /// Tells the journal that the checkpoint before this segment is durable.
    pub(super) fn note_durable(&self, segment: u64, pipeline: &Pipeline) {
        self.journal.drop_before(segment);
        self.journal.rev_limit(pipeline.rev_limit().map(|limit| limit.0));
    }

    /// Removes the journal, because the state is on the disk and nothing follows.
    pub(crate) fn remove_journal(&self) {
        self.journal.remove();
    }

    /// Notes a report before it leaves.
    pub(super) fn note_report(&self, message: &Message) {
        self.journal.flush();
        self.note_own();
        self.journal.message(message.lane as u8, message.made_ms, &message.body);
        self.journal.flush();
    }

    /// Notes what the engine itself remembers.
    pub(super) fn note_own(&self) {
        let mut sections = Vec::new();
        self.save_progress(&mut sections);
        self.journal.engine(&sections);
    }

    /// Whether the next run has to make such messages again: the journal has what they were made of, and no room for them
    /// too.
    pub(crate) fn must_make_again(&self, messages: &[Message]) -> bool {
        let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
        self.journal.is_on() && !self.journal.has_room(bytes)
    }

    /// Keeps messages that are on no disk for the next run, which tells them again, in the segment of the checkpoint that
    /// was taken last. False: the journal is not written now.
    pub(crate) fn keep(&self, messages: &[Message]) -> bool {
        if !self.journal.is_on() {
            return false;
        }
        for message in messages {
            self.journal.message(message.lane as u8, message.made_ms, &message.body);
            self.journal.flush();
        }
        self.journal.is_on()
    }

    /// Sends again what an earlier run had sent and what may not have arrived, with the same content.
    pub(super) fn tell_again(&self, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Event(at, event) => self.outgoing.send(event, at),
                Told::Message(message) => self.outgoing.push(message),
            }
        }
    }

    /// Writes the records that have gathered as soon as the sources pause; never returns. Where all sources wait for a sync,
    /// many messages share a frame, unless an event waits to be sent.
    pub(crate) async fn journal_forever(&self) {
        loop {
            self.journal.gathered().await;
            if self.all_durable.get() {
                tokio::select! {
                    () = sleep(GATHER) => {}
                    () = self.made.notified() => {}
                }
            }
            self.settle();
        }
    }

    /// Notes now and then which messages need not be sent again; never returns.
    pub(crate) async fn note_kept_forever(&self) {
        let (journal, mut noted) = (&self.journal, None);
        loop {
            self.look().await;
            if journal.is_removed() {
                self.checkpointer.request();
            }
            let account = self.message_account();
            if !journal.is_on() || !self.outgoing.is_open() || noted == Some(account) {
                continue;
            }
            self.settle();
            let (place, position) = (journal.place(), self.forwarder().position());
            if timeout(KEPT_WITHIN, self.forwarder().kept(&position)).await.is_err() || !journal.is_on() {
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
