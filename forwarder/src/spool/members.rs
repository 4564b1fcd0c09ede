//! Outputs that come and go while the spool is in use.

use super::cursors::Cursors;
use super::{DeliveryOutcome, Spool};
use crate::output_set::OutputSet;
use crate::{Lane, PerLane, Tag};

impl Spool {
    /// An output comes, or comes back: it gets what is pushed from now on. An output that is there already stays as it is.
    pub(crate) fn join(&mut self, output: usize) {
        if self.progress.active.contains(output) {
            return;
        }
        let next = self.position();
        let acked = &mut self.progress.acked;
        acked.resize_with(acked.len().max(output + 1), PerLane::default);
        self.outputs.resize_with(self.outputs.len().max(output + 1), Cursors::default);
        if let Some(acked) = acked.get_mut(output) {
            Lane::ALL.into_iter().for_each(|lane| acked.of_mut(lane).insert_range(0..*next.of(lane)));
        }
        if let Some(cursors) = self.outputs.get_mut(output) {
            *cursors = Cursors::default();
        }
        self.depths.begin(output);
        self.progress.active.insert(output);
    }

    /// Whether all that an output still has to get is in memory.
    pub(crate) fn can_leave(&self, output: usize) -> bool {
        self.depths.of(output) == self.waiting_in_memory(output).len() as u64
    }

    /// An output goes, and is not connected any more. What only it would get is lost; returns how many messages that are.
    pub(crate) fn leave(&mut self, output: usize) -> u64 {
        let mut given_up = 0;
        for tag in self.waiting_in_memory(output) {
            let wanting = self.progress.wanting(tag.lane, tag.seq, tag.owed);
            let is_last = wanting == OutputSet::bit(output);
            let outcome = if is_last { DeliveryOutcome::Refused } else { DeliveryOutcome::Unwanted };
            given_up += u64::from(is_last);
            self.done(output, &tag, outcome);
        }
        let next = self.position();
        if let Some(acked) = self.progress.acked.get_mut(output) {
            Lane::ALL.into_iter().for_each(|lane| acked.of_mut(lane).insert_range(0..*next.of(lane)));
        }
        self.depths.begin(output);
        self.progress.active.remove(output);
        given_up
    }

    /// The messages in memory that an output has yet to get.
    fn waiting_in_memory(&self, output: usize) -> Vec<Tag> {
        let Some(acked) = self.progress.acked.get(output) else { return Vec::new() };
        let of = |lane: Lane| {
            let queue = self.queues.of(lane);
            let (range, acked) = (queue.first_in_memory()..queue.next(), acked.of(lane));
            let tag = |seq: u64| Some(Tag { lane, seq, owed: queue.at(seq)?.owed });
            let all = queue.seqs_in(&range).filter(|seq| !acked.contains(*seq)).filter_map(tag);
            all.filter(|tag| tag.owed.contains(output)).collect::<Vec<_>>()
        };
        Lane::ALL.into_iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Next, Progress};
    use super::*;
    use crate::Message;

    fn push(spool: &mut Spool, bits: u64) {
        let message = Message { lane: Lane::Data, made_ms: 0, body: "b".into() };
        spool.push(message, OutputSet::from_bits(bits));
    }

    fn sent(spool: &mut Spool, output: usize) -> Vec<Tag> {
        let next = || match spool.next(output, true) {
            Next::Send(delivery) => Some(delivery.tag),
            _ => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn who_comes_gets_what_is_new_and_who_goes_leaves_nothing_behind() {
        let mut spool = Spool::new(Progress::new(1), &[], 10_000, false);
        spool.up(0);
        push(&mut spool, 0b01);
        spool.join(2);
        push(&mut spool, 0b101);
        push(&mut spool, 0b100);
        spool.up(2);
        let got: Vec<u64> = sent(&mut spool, 2).iter().map(|tag| tag.seq).collect();
        assert_eq!(got, [1, 2]);
        assert_eq!(spool.depth(2, None).waiting, 2);
        spool.join(2);
        assert_eq!(spool.depth(2, None).waiting, 2, "it is there already");
        assert!(spool.can_leave(2) && spool.can_leave(0));
        spool.down(2);
        assert_eq!(spool.leave(2), 1);
        let account = spool.account();
        assert_eq!((account.made, account.waiting, account.lost), (3, 2, 1));
        for tag in sent(&mut spool, 0) {
            spool.done(0, &tag, DeliveryOutcome::Acked);
        }
        let account = spool.account();
        assert_eq!((account.delivered, account.waiting, account.lost), (2, 0, 1));
        // It comes back: what was made meanwhile is not for it.
        push(&mut spool, 0b001);
        spool.join(2);
        spool.up(2);
        push(&mut spool, 0b100);
        let got: Vec<u64> = sent(&mut spool, 2).iter().map(|tag| tag.seq).collect();
        assert_eq!(got, [4]);
    }

    #[test]
    fn what_lies_on_disk_only_keeps_its_output() {
        let mut spool = Spool::new(Progress::new(2), &[], 1_000, false);
        for _ in 0..3 {
            push(&mut spool, 0b11);
        }
        let batches = spool.unwritten(usize::MAX);
        spool.written(&batches, true);
        for _ in 0..20 {
            push(&mut spool, 0b01);
        }
        spool.written(&spool.unwritten(usize::MAX), true);
        assert_eq!(spool.depth(1, None).waiting, 3);
        assert!(!spool.can_leave(1));
    }
}
