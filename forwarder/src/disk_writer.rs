//! Writes messages from memory to the disk, and tells the spool what is safe there.
//!
//! When a message has waited for `sync` without an acknowledgement, all waiting messages are written. So nothing
//! is written while outputs acknowledge promptly. The timers are steady: no step of the wall clock moves them.
//!
//! When the disk fails, messages stay in memory within its bound. The disk is tried again after a second, then
//! after ever longer waits of up to a minute.

use crate::Lane;
use crate::config::{Sync, When};
use crate::disk_thread::WhenOpened;
use crate::segment_log::PositionsNote;
use crate::shared::Shared;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Bytes of messages that are written at once, per lane. A small buffer writes a sixteenth of its size.
const WRITE_BYTES: usize = 1 << 20;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);

/// A disk that takes longer for messages does not take them: memory has its bound again.
const TURN: Duration = Duration::from_secs(1);

/// How often [`settle`] looks for drained segments.
const SETTLE_EVERY: Duration = Duration::from_secs(2);

/// How often what was written is counted while the buffer is not in use; each checkpoint counts it too.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// Every so many rounds of [`settle`] write the acknowledgements down.
const NOTE_EVERY: u32 = 15;

/// How often the disk writer checks within [`patience`] whether a message still waits.
const LOOKS: u32 = 4;

/// While all outputs are up, a message has this long to be acknowledged, however short `sync` is.
pub(crate) const GRACE_MS: u64 = 750;

/// Waits for the buffer to be open, then writes messages that have waited too long. Ends with the forwarder.
pub(crate) async fn write(shared: Rc<Shared>, opened: WhenOpened) {
    match opened.await {
        Ok(answer) => shared.on_opened(answer),
        // The disk thread has ended: `failed` tells the agent.
        Err(_) => return shared.ending.closing().await,
    }
    let (mut retry, mut failed) = (RETRY_FIRST, None::<Instant>);
    loop {
        wait_for_work(&shared).await;
        if shared.ending.is_closing() {
            return;
        }
        if !write_all(&shared).await {
            // A disk that fails again soon after a success is tried ever more rarely too.
            if failed.is_none_or(|failed| failed.elapsed() > 2 * RETRY_LAST) {
                retry = RETRY_FIRST;
            }
            failed = Some(Instant::now());
            tokio::select! {
                () = sleep(retry) => {}
                () = shared.ending.closing() => return,
            }
            retry = (retry * 2).min(RETRY_LAST);
        }
    }
}

/// Returns when a message has waited for [`patience`], give or take one of [`LOOKS`], when memory runs full, or at
/// the end.
async fn wait_for_work(shared: &Shared) {
    let mut positions = VecDeque::new();
    loop {
        let patience = patience(shared);
        let waits = {
            let mut spool = shared.spool.borrow_mut();
            if shared.ending.is_closing() || spool.is_tight() {
                return;
            }
            let waits = spool.has_unwritten();
            if waits && patience.is_zero() {
                return;
            }
            waits
        };
        if !waits {
            positions.clear();
            tokio::select! {
                () = shared.disk_writer.notified() => {}
                () = shared.ending.closing() => {}
            }
            continue;
        }
        positions.push_back(shared.spool.borrow().position());
        sleep_or_news(shared, patience / LOOKS).await;
        if positions.len() == LOOKS as usize
            && let Some(position) = positions.pop_front()
            && shared.spool.borrow_mut().has_unwritten_before(&position)
        {
            return;
        }
    }
}

/// Sleeps. Returns early when memory runs full, or when everything is to be written at once.
async fn sleep_or_news(shared: &Shared, nap: Duration) {
    let mut slept = std::pin::pin!(sleep(nap));
    loop {
        tokio::select! {
            () = &mut slept => return,
            () = shared.ending.closing() => return,
            () = shared.disk_writer.notified() => {
                if patience(shared).is_zero() || shared.spool.borrow_mut().is_tight() {
                    return;
                }
            }
        }
    }
}

/// How long a message may be in memory only.
fn patience(shared: &Shared) -> Duration {
    let config = &shared.config;
    // A quarter of the time is left for the writing itself.
    let wait_ms = config.sync.wait_ms() * 3 / 4;
    if shared.is_in_a_hurry() {
        return Duration::ZERO;
    }
    Duration::from_millis(match config.when {
        When::Always => 0,
        When::Offline if shared.all_up() => wait_ms.max(GRACE_MS),
        When::Offline => wait_ms,
    })
}

/// Writes all waiting messages. False: the disk cannot take them now.
pub(crate) async fn write_all(shared: &Shared) -> bool {
    if !shared.spool.borrow_mut().has_unwritten() {
        return true;
    }
    // Before that, messages do not have their final numbers.
    shared.opened().await;
    let bytes_max = WRITE_BYTES.min(usize::try_from(shared.config.max_size / 16).unwrap_or(WRITE_BYTES));
    loop {
        let (batches, progress) = {
            let spool = shared.spool.borrow();
            (spool.unwritten(bytes_max), spool.progress())
        };
        if Lane::ALL.into_iter().all(|lane| batches.of(lane).is_empty()) {
            return true;
        }
        // With `when = "always"` all is written at once, and synced at intervals.
        let sync = shared.config.when == When::Offline || shared.config.sync == Sync::Always;
        let Some(answer) = in_turn(shared, shared.disk_thread.append(batches, sync, progress)).await else {
            shared.disk_state(Some(&"the thread that works on the disk has ended".to_owned()));
            return false;
        };
        shared.note_disk(&answer);
        shared.on_log_events(answer.log_events);
        let (batches, result) = answer.value;
        shared.disk_state(result.as_ref().err());
        if result.is_err() {
            shared.spool.borrow_mut().synced(false);
            shared.on_disk(false);
            return false;
        }
        shared.spool.borrow_mut().written(&batches, sync);
        shared.on_disk(true);
        shared.signals.set_dirty(!sync);
        shared.on_settled();
        shared.wake_all();
    }
}

/// Waits for the disk. If it takes longer than its turn, memory has its bound meanwhile.
async fn in_turn<T>(shared: &Shared, job: impl Future<Output = T>) -> T {
    let mut job = std::pin::pin!(job);
    match timeout(TURN, &mut job).await {
        Ok(done) => done,
        Err(_) => {
            shared.on_disk(false);
            job.await
        }
    }
}

/// Syncs written messages soon after they are written, against power cuts. Ends with the forwarder.
pub(crate) async fn sync(shared: Rc<Shared>) {
    let Sync::Every(ms) = shared.config.sync else { return shared.ending.closing().await };
    let every = Duration::from_millis(ms * 3 / 4);
    loop {
        let gathered = async {
            shared.signals.dirtied().await;
            sleep(every).await;
        };
        tokio::select! {
            () = gathered => {}
            () = shared.ending.closing() => return,
        }
        sync_once(&shared).await;
    }
}

/// Syncs the messages that are written and not synced.
pub(crate) async fn sync_once(shared: &Shared) {
    if !shared.signals.take_dirty() {
        return;
    }
    let Some(answer) = shared.disk_thread.sync().await else { return };
    shared.note_disk(&answer);
    shared.on_log_events(answer.log_events);
    shared.disk_state(answer.value.as_ref().err());
    shared.spool.borrow_mut().synced(answer.value.is_ok());
    shared.on_settled();
    shared.disk_writer.notify_one();
}

/// Has drained segments deleted, and acknowledgements written down. Ends with the forwarder.
pub(crate) async fn settle(shared: Rc<Shared>) {
    let mut round = 0_u32;
    loop {
        let due = async {
            let _ = timeout(COUNT_EVERY, shared.signals.used()).await;
            sleep(SETTLE_EVERY).await;
        };
        tokio::select! {
            () = due => {}
            () = shared.ending.closing() => return,
        }
        round = round.wrapping_add(1);
        let is_due = round.is_multiple_of(NOTE_EVERY);
        let note = if is_due { PositionsNote::OfMessages } else { PositionsNote::Later };
        if shared.disk_is_used() {
            settle_once(&shared, note).await;
        }
        shared.count_writes();
    }
}

/// Has drained segments deleted once, and the acknowledgements written down as `note` says.
pub(crate) async fn settle_once(shared: &Shared, note: PositionsNote) {
    let progress = shared.spool.borrow().progress();
    let before_ms = shared.config.max_age_ms.map(|age_ms| shared.now_ms().saturating_sub(age_ms));
    let names = shared.opened().await.names.borrow().clone();
    let Some(answer) = shared.disk_thread.settle(names, progress, note, before_ms).await else { return };
    shared.note_disk(&answer);
    shared.on_log_events(answer.log_events);
    if answer.is_empty {
        shared.spool.borrow_mut().disk_is_empty();
    }
}
