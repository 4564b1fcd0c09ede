//! An output that acknowledges at once, or cannot be reached.

use headwater_forwarder::{
    ConnectionEvent, ConnectionEvents, Delivery, Disconnected, Encoder, Message, NextEvents, Opened, Output,
    OutputConnection, SendError,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Default)]
pub struct Null {
    up: Rc<Cell<bool>>,
    acked: Rc<RefCell<Vec<ConnectionEvent>>>,
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
    fn open(&mut self, _: &Arc<dyn Encoder>, _: Option<&Message>) -> Result<Opened, Disconnected> {
        let wait = Duration::from_millis(10);
        if !self.up.get() {
            return Err(Disconnected { reason: "down".into(), wait });
        }
        self.acked.borrow_mut().push(ConnectionEvent::Up);
        self.came.notify_one();
        Ok((Box::new(self.clone()), Box::new(self.clone())))
    }
}

const WINDOW: usize = 1_000;

impl OutputConnection for Null {
    fn room(&self) -> usize {
        if self.up.get() { WINDOW - self.acked.borrow().len().min(WINDOW) } else { 0 }
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn is_idle(&self) -> bool {
        self.acked.borrow().is_empty()
    }

    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError> {
        self.acked.borrow_mut().push(ConnectionEvent::Acked(delivery.tag));
        self.came.notify_one();
        Ok(delivery.message.body.len())
    }

    fn close(&mut self) {
        self.set_up(false);
    }
}

impl ConnectionEvents for Null {
    fn next(self: Box<Self>, mut events: Vec<ConnectionEvent>) -> NextEvents {
        Box::pin(async move {
            while self.up.get() && self.acked.borrow().is_empty() {
                self.came.notified().await;
            }
            events.append(&mut self.acked.borrow_mut());
            if !self.up.get() {
                let wait = Duration::from_millis(10);
                events.push(ConnectionEvent::Lost(Disconnected { reason: "down".into(), wait }));
            }
            (self as Box<dyn ConnectionEvents>, events)
        })
    }
}
