//! What must hold, at every moment and in the end.

use super::{History, MERGED_MAX, ids_of, text};
use crate::config::Full;
use crate::store::Store as _;
use crate::{BURST_BYTES, Forwarder, ForwarderEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

impl History {
    pub(super) fn check_bounds(&mut self, forwarder: &Forwarder) {
        while let Some(event) = forwarder.try_event() {
            println!("{:?}: {event:?}", self.start.elapsed());
            if let ForwarderEvent::Refused { count, .. } = event {
                self.told_refused += count;
            }
            if let ForwarderEvent::Evicted { count, .. }
            | ForwarderEvent::Damaged { count, .. }
            | ForwarderEvent::Refused { count, .. } = event
            {
                self.told += count;
            }
        }
        let refused = self.refused() - self.refused_before + self.cut_for_now();
        assert!(self.told_refused <= refused, "{} refused, that nobody refused", self.told_refused - refused);
        let (status, account) = (forwarder.status(), forwarder.account());
        assert!(account.lost <= self.told, "lost in silence: {account:?}, told {}", self.told);
        let burst = if status.disk_error.is_none() { BURST_BYTES } else { 0 };
        assert!(status.memory_bytes <= self.config.memory_bytes_max + burst, "{status:?}");
        // What is set aside is never deleted, and leaves a quarter to what lives.
        let aside = self.store.clone().aside_bytes();
        if aside > self.aside {
            self.aside_grew_at = Instant::now();
        }
        self.aside = aside;
        let max = self.config.max_size.max(aside + self.config.max_size / 4);
        // Copies of what is damaged may go past it until the next look, two seconds later.
        let max = max + if self.aside_grew_at.elapsed() < Duration::from_secs(3) { aside } else { 0 };
        assert!(status.disk_bytes <= max, "{aside} are set aside: {status:?}");
        for output in &status.outputs {
            assert!(output.waiting <= account.waiting, "{status:?}, {account:?}");
        }
        let sum = account.delivered + account.waiting + account.thinned + account.lost;
        assert_eq!(account.made, sum, "{account:?}");
    }

    /// What was delivered is not called lost.
    pub(super) fn check_delivered(&mut self, forwarder: &Forwarder) {
        self.check_bounds(forwarder);
        let (arrived, account) = (self.arrived() + self.for_nobody, forwarder.account());
        assert!(arrived <= account.delivered, "delivered and lost: {arrived} have arrived, {account:?}");
    }

    /// Messages that all who take them have acknowledged in this life.
    fn arrived(&self) -> u64 {
        let world = self.world.0.borrow();
        let by_all = |payload: &&String| {
            let takers = self.pushed[&ids_of(payload)[0]].takers;
            let wanting = world.brokers.iter().enumerate().filter(|(output, _)| takers & 1 << output != 0);
            wanting
                .map(|(_, broker)| broker)
                .all(|broker| broker.heard.contains(*payload) && !broker.unwelcome.contains(*payload))
        };
        let heard: BTreeSet<&String> = world.brokers.iter().flat_map(|broker| &broker.heard).collect();
        heard.iter().filter(|payload| by_all(payload)).count() as u64
    }

    /// What was pushed and is neither with all its takers nor lost nor forgiven lies on disk.
    pub(super) fn check_disk(&self) {
        if self.lost > 0 || self.damage {
            return;
        }
        let mut safe = BTreeSet::new();
        for batch in self.store.0.lock().unwrap().batches() {
            for record in crate::record::decode(batch.into()).unwrap_or_default() {
                safe.extend(ids_of(text(&record.message)));
            }
        }
        let missing: BTreeSet<u64> = (0..self.outputs()).flat_map(|output| self.missing(output)).collect();
        // What one output has refused, the other may have by now.
        for broker in &self.world.0.borrow().brokers {
            safe.extend(broker.unwelcome.iter().flat_map(|payload| ids_of(payload)));
        }
        let gone = missing.iter().find(|id| !safe.contains(id) && !self.forgiven.contains(id));
        assert_eq!(gone, None, "not on disk after a life");
    }

    /// What an output takes and has not got.
    fn missing(&self, output: usize) -> BTreeSet<u64> {
        let got: BTreeSet<u64> = self.world.broker(output, |broker| {
            broker.received.iter().flat_map(|receipt| ids_of(&receipt.payload)).collect()
        });
        let wanted = self.pushed.iter().filter(|(_, pushed)| pushed.takers & 1 << output != 0);
        wanted.map(|(id, _)| *id).filter(|id| !got.contains(id)).collect()
    }

    pub(super) fn judge(&self) {
        let missing: BTreeSet<u64> = (0..self.outputs()).flat_map(|output| self.missing(output)).collect();
        for (output, broker) in self.world.0.borrow().brokers.iter().enumerate() {
            let mut last: BTreeMap<(usize, &str), u64> = BTreeMap::new();
            for receipt in &broker.received {
                let ids = ids_of(&receipt.payload);
                let in_order = !ids.iter().any(|id| broker.put_off.contains(id));
                // Order within a lane, on a connection, of live and of late messages.
                let place = (receipt.link, receipt.topic.as_str());
                if let Some(before) = in_order.then(|| last.insert(place, ids[0])).flatten() {
                    // Merged messages of different takers keep the order of time only.
                    let merges =
                        self.config.full == Full::Thin && self.pushed[&before].at <= self.pushed[&ids[0]].at;
                    assert!(before < ids[0] || merges, "{before} before {} on {}", ids[0], receipt.topic);
                }
                if receipt.topic.starts_with("live") {
                    assert!(self.pushed[&ids[0]].at >= receipt.up_at, "{} is old", ids[0]);
                }
                assert!(ids.iter().all(|id| self.pushed[id].takers & 1 << output != 0), "not for {output}");
            }
            let seconds = self.start.elapsed().as_secs() as usize;
            assert!(broker.opened <= 10 + 2 * seconds, "it spins: {} links in {seconds} s", broker.opened);
        }
        let missing: Vec<u64> = missing.difference(&self.forgiven).copied().collect();
        for id in missing.iter().take(1).chain(missing.iter().rev().take(1)) {
            println!(
                "missing {id}, {:?}, pushed at {:?}",
                self.pushed[id].lane,
                self.pushed[id].at - self.start
            );
        }
        let alerts = missing.iter().filter(|id| self.pushed[id].lane.is_alert()).count();
        // One that an output refused in one life may reach the other in the next, and then counts as delivered.
        let refused = self.refused() + self.cut_for + self.cut_for_now();
        let stands_for = if self.config.full == Full::Thin { MERGED_MAX as u64 } else { 1 };
        assert!(
            missing.len() as u64 <= (self.lost + refused) * stands_for,
            "{} of {} are missing ({alerts} alerts), {} counted as lost: {:?}",
            missing.len(),
            self.pushed.len(),
            self.lost,
            missing.iter().take(20).collect::<Vec<_>>()
        );
    }
}
