//! An output that acknowledges at once, or cannot be reached.

use headwater_forwarder::{
    Ended, Heard, Link, LinkEvent, LinkEvents, Opened, Output, Packet, SendError, Tag,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Default)]
pub struct Null {
    up: Rc<Cell<bool>>,
    acked: Rc<RefCell<Vec<LinkEvent>>>,
    came: Rc<Notify>,
}

impl Null {
    pub fn down() -> Self {
        Self::default()
    }

    pub fn set_up(&self, up: bool) {
        self.up.set(up);
        self.came.notify_one();
    }
}

impl Output for Null {
    fn open(&mut self, _will: Option<&Packet>) -> Result<Opened, Ended> {
        let wait = Duration::from_millis(10);
        if !self.up.get() {
            return Err(Ended { reason: "down".into(), wait, by_peer: false });
        }
        self.acked.borrow_mut().push(LinkEvent::Up);
        self.came.notify_one();
        Ok((Box::new(self.clone()), Box::new(self.clone())))
    }
}

const WINDOW: usize = 1_000;

impl Link for Null {
    fn room(&self) -> usize {
        if self.up.get() { WINDOW - self.acked.borrow().len().min(WINDOW) } else { 0 }
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn send(&mut self, tag: Option<Tag>, _packet: Packet) -> Result<(), SendError> {
        self.acked.borrow_mut().extend(tag.map(LinkEvent::Acked));
        self.came.notify_one();
        Ok(())
    }

    fn close(&mut self) {
        self.set_up(false);
    }
}

impl LinkEvents for Null {
    fn next(self: Box<Self>, mut events: Vec<LinkEvent>) -> Heard {
        Box::pin(async move {
            while self.up.get() && self.acked.borrow().is_empty() {
                self.came.notified().await;
            }
            events.append(&mut self.acked.borrow_mut());
            if !self.up.get() {
                let wait = Duration::from_millis(10);
                events.push(LinkEvent::Lost(Ended { reason: "down".into(), wait, by_peer: false }));
            }
            (self as Box<dyn LinkEvents>, events)
        })
    }
}
