//! The phases of the forwarder's end. Tasks wait for the phase that ends them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::Notify;

/// A phase of the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Running,
    /// Outputs send live messages and wait for the answers.
    Stopping,
    /// Outputs say farewell.
    Closing,
    /// Connections are cut.
    GaveUp,
}

/// The current phase, and the tasks that wait for a later one.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    phase: Cell<Phase>,
    came: Notify,
    /// The ends of parts that may come earlier, by their places.
    parts: RefCell<Vec<Rc<Ending>>>,
}

impl Ending {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.came.notify_waiters();
        self.parts.borrow().iter().for_each(|part| part.enter(phase));
    }

    /// The end of a part.
    pub(crate) fn part(&self, place: usize) -> Rc<Self> {
        if let Some(part) = self.parts.borrow().get(place) {
            return part.clone();
        }
        self.renew_part(place)
    }

    /// Another part takes the place of one that has ended.
    pub(crate) fn renew_part(&self, place: usize) -> Rc<Self> {
        let part = Rc::new(Self { phase: self.phase.clone(), ..Self::default() });
        let mut parts = self.parts.borrow_mut();
        while parts.len() <= place {
            parts.push(Rc::default());
        }
        if let Some(own) = parts.get_mut(place) {
            *own = part.clone();
        }
        part
    }

    /// Gives the parts other places: each is the one that had some place, or another one.
    pub(crate) fn rearrange(&self, places: impl Iterator<Item = Option<usize>>) {
        let part = |place: Option<usize>| {
            let other = || Rc::new(Self { phase: self.phase.clone(), ..Self::default() });
            place.map_or_else(other, |place| self.part(place))
        };
        let parts = places.map(part).collect();
        *self.parts.borrow_mut() = parts;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase.get() == Phase::Running
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.get() >= Phase::Stopping
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.phase.get() >= Phase::Closing
    }

    pub(crate) async fn stopped(&self) {
        self.reached(Phase::Stopping).await;
    }

    pub(crate) async fn closing(&self) {
        self.reached(Phase::Closing).await;
    }

    pub(crate) async fn gave_up(&self) {
        self.reached(Phase::GaveUp).await;
    }

    /// All tasks are on one thread: no phase can begin between the check and the wait.
    async fn reached(&self, phase: Phase) {
        while self.phase.get() < phase {
            self.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_with_the_whole_or_earlier() {
        let whole = Ending::default();
        let (first, second) = (whole.part(0), whole.part(1));
        first.enter(Phase::GaveUp);
        assert!(first.is_closing() && second.is_running() && whole.is_running());
        let other = whole.renew_part(0);
        assert!(other.is_running() && Rc::ptr_eq(&other, &whole.part(0)));
        whole.enter(Phase::Stopping);
        assert!(other.is_stopping() && second.is_stopping() && !second.is_closing());
        assert!(whole.renew_part(1).is_stopping(), "it is too late for another one");
        let whole = Ending::default();
        let (first, second) = (whole.part(0), whole.part(1));
        whole.rearrange([Some(1), None].into_iter());
        assert!(Rc::ptr_eq(&second, &whole.part(0)) && whole.part(1).is_running());
        whole.enter(Phase::Closing);
        assert!(second.is_closing() && whole.part(1).is_closing() && first.is_running());
    }
}
