//! Observers of the agent's events, at the one place where events leave the engine. An observer may be a dashboard, a plot
//! or a test. Onlookers see every event at once, and keep what they want of it.
//!
//! An observer sees every event from its beginning on, in order, whether or not an output takes the event. It holds
//! nobody up: at most [`WAITING_MAX`] events wait for it, then the oldest give way, and the observer is told how many it
//! has missed. Without observers an event costs one look at an empty list.

use headwater_pipeline::event::Event;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use tokio::sync::Notify;

/// The most events that wait for one observer. Beyond it the oldest goes.
pub const WAITING_MAX: usize = 1_024;

/// The list of observers. A clone is a handle of the same list.
#[derive(Clone, Default)]
pub struct Taps(Rc<Observers>);

#[derive(Default)]
struct Observers {
    queues: RefCell<Vec<Weak<Queue>>>,
    onlookers: RefCell<Vec<Weak<dyn Onlooker>>>,
}

/// Sees every event on its way out of the engine, at once. It is called from within the engine, so it must not call the
/// engine, nor wait.
pub trait Onlooker {
    /// Sees an event.
    fn on_event(&self, event: &Event);
}

/// One observer, until it is dropped.
pub struct Tap(Rc<Queue>);

/// An item that an observer receives.
#[derive(Clone, Debug, PartialEq)]
pub enum Tapped {
    /// An event.
    Event(Rc<Event>),
    /// The number of events that the observer has missed.
    Missed(u64),
}

#[derive(Default)]
struct Queue {
    waiting: RefCell<Waiting>,
    came: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Rc<Event>>,
    missed: u64,
}

impl Taps {
    /// A new observer.
    #[must_use]
    pub fn tap(&self) -> Tap {
        let queue = Rc::new(Queue::default());
        self.0.queues.borrow_mut().push(Rc::downgrade(&queue));
        Tap(queue)
    }

    /// Shows events to an onlooker, until it is dropped.
    pub fn show_to(&self, onlooker: &Rc<impl Onlooker + 'static>) {
        let onlooker: Rc<dyn Onlooker> = onlooker.clone();
        self.0.onlookers.borrow_mut().push(Rc::downgrade(&onlooker));
    }

    /// Hands an event to every observer.
    #[inline]
    pub(crate) fn show(&self, event: Event) {
        if !self.0.onlookers.borrow().is_empty() {
            self.show_at_once(&event);
        }
        if !self.0.queues.borrow().is_empty() {
            self.show_all(&Rc::new(event));
        }
    }

    #[cold]
    fn show_at_once(&self, event: &Event) {
        self.0.onlookers.borrow_mut().retain(|onlooker| {
            let onlooker = onlooker.upgrade();
            onlooker.inspect(|onlooker| onlooker.on_event(event)).is_some()
        });
    }

    #[cold]
    fn show_all(&self, event: &Rc<Event>) {
        self.0.queues.borrow_mut().retain(|tap| {
            let queue = tap.upgrade();
            if let Some(queue) = &queue {
                queue.waiting.borrow_mut().push(event.clone());
                queue.came.notify_one();
            }
            queue.is_some()
        });
    }
}

impl Waiting {
    fn push(&mut self, event: Rc<Event>) {
        if self.events.len() >= WAITING_MAX {
            self.events.pop_front();
            self.missed += 1;
        }
        self.events.push_back(event);
    }
}

impl Tap {
    /// Waits for the next item.
    pub async fn next(&self) -> Tapped {
        loop {
            if let Some(tapped) = self.try_next() {
                return tapped;
            }
            self.0.came.notified().await;
        }
    }

    /// The next item, if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Tapped> {
        let mut waiting = self.0.waiting.borrow_mut();
        match std::mem::take(&mut waiting.missed) {
            0 => waiting.events.pop_front().map(Tapped::Event),
            missed => Some(Tapped::Missed(missed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_pipeline::event::{BootId, ClockSet, Timestamp};

    fn event(offset_ms: i64) -> Event {
        let (time, boot) = (Timestamp::default(), BootId::from("b"));
        Event::Clock(ClockSet { agent: "edge".into(), time, boot, offset_ms, estimated: false })
    }

    fn offset(tapped: Option<Tapped>) -> i64 {
        match tapped {
            Some(Tapped::Event(event)) => match &*event {
                Event::Clock(set) => set.offset_ms,
                event => panic!("{event:?}"),
            },
            tapped => panic!("{tapped:?}"),
        }
    }

    #[test]
    fn observers_see_what_comes_from_their_beginning_on() {
        let taps = Taps::default();
        taps.show(event(0));
        let first = taps.tap();
        taps.show(event(1));
        let second = taps.tap();
        taps.show(event(2));
        assert_eq!([first.try_next(), first.try_next()].map(offset), [1, 2]);
        assert_eq!((offset(second.try_next()), second.try_next()), (2, None));
        drop(first);
        taps.show(event(3));
        assert_eq!((taps.0.queues.borrow().len(), offset(second.try_next())), (1, 3));
    }

    #[test]
    fn a_slow_observer_holds_nobody_up_and_is_told_what_it_missed() {
        let taps = Taps::default();
        let tap = taps.tap();
        (0..WAITING_MAX as i64 + 5).for_each(|number| taps.show(event(number)));
        assert_eq!(tap.try_next(), Some(Tapped::Missed(5)));
        assert_eq!(offset(tap.try_next()), 5);
        assert_eq!(std::iter::from_fn(|| tap.try_next()).count(), WAITING_MAX - 1);
    }

    #[derive(Default)]
    struct Counter(std::cell::Cell<usize>);

    impl Onlooker for Counter {
        fn on_event(&self, _: &Event) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn onlookers_see_all_at_once_until_they_are_gone() {
        let (taps, counter) = (Taps::default(), Rc::new(Counter::default()));
        taps.show_to(&counter);
        (0..WAITING_MAX as i64 * 2).for_each(|number| taps.show(event(number)));
        assert_eq!(counter.0.get(), WAITING_MAX * 2);
        drop(counter);
        taps.show(event(0));
        assert!(taps.0.onlookers.borrow().is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let taps = Taps::default();
        let tap = taps.tap();
        let (tapped, ()) = tokio::join!(tap.next(), async { taps.show(event(9)) });
        assert_eq!(offset(Some(tapped)), 9);
    }
}
