//! Which outputs there are, while the forwarder runs: their bits, and their places in the config.

use super::Shared;
use crate::output_set::OutputSet;
use crate::status::OutputState;
use std::rc::Rc;

impl Shared {
    /// Whether an output can go now, given its place: the buffer is open, and nothing that waits for the output lies on disk
    /// only.
    pub(crate) fn can_leave(&self, output: usize) -> bool {
        let bit = self.buffer.get().and_then(|buffer| buffer.bits.borrow().get(output).copied());
        bit.is_some_and(|bit| self.spool.borrow().can_leave(bit))
    }

    /// An output goes. Returns how many messages nobody gets any more.
    pub(crate) fn leave(&self, output: usize) -> u64 {
        let given_up = self.bit_of(output).map(|bit| self.spool.borrow_mut().leave(bit)).unwrap_or_default();
        self.on_settled();
        given_up
    }

    /// Whether there are bits for outputs of these names too.
    pub(crate) fn has_bits_for(&self, names: &[String]) -> bool {
        let Some(buffer) = self.buffer.get() else { return false };
        let known = buffer.names.borrow();
        let new = names.iter().filter(|name| !known.contains(&name.escape_default().to_string())).count();
        known.len() + new <= OutputSet::OUTPUTS_MAX
    }

    /// An output comes, or comes back: it gets what is made from now on. Returns its bit.
    pub(crate) fn join(&self, name: &str) -> Option<usize> {
        let (mut names, name) = (self.buffer.get()?.names.borrow_mut(), name.escape_default().to_string());
        let bit = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        self.spool.borrow_mut().join(bit);
        Some(bit)
    }

    /// Gives the outputs other places: each is one that has a place, or another one by its bit and its state.
    pub(crate) fn rearrange(&self, outputs: Vec<Result<usize, (usize, OutputState)>>) {
        let Some(buffer) = self.buffer.get() else { return };
        let (mut bits, mut wake, mut states) =
            (buffer.bits.borrow_mut(), self.wake.borrow_mut(), self.states.borrow_mut());
        let mut before: Vec<_> = bits.drain(..).zip(wake.drain(..)).zip(states.drain(..)).map(Some).collect();
        self.ending.rearrange(outputs.iter().map(|output| output.as_ref().ok().copied()));
        for output in outputs {
            let own = match output {
                Ok(place) => before.get_mut(place).and_then(Option::take),
                Err((bit, state)) => Some(((bit, Rc::default()), state)),
            };
            let Some(((bit, notify), state)) = own else { continue };
            bits.push(bit);
            wake.push(notify);
            states.push(state);
        }
    }
}
