//! The connections of a listener: few, few of each peer, and none that holds a place which another needs.
//!
//! When there are too many, the one gives way that has waited longest for its next request, or that has been reading its
//! answer for longer than [`ANSWER_WITHIN`]. So half-open connections keep nobody out.

use crate::access::group;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Connections in all, and of one peer.
pub(crate) const CONNECTIONS_MAX: usize = 64;
pub(crate) const OF_PEER_MAX: usize = 32;

/// How long an answer may take before its connection gives way.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It waits for a request.
    Waiting,
    /// It has a request.
    Answering,
    /// It sends events until somebody ends them.
    Streaming,
}

/// A connection, as others see it.
#[derive(Debug)]
pub(crate) struct ConnectionSeat {
    peer: IpAddr,
    doing: Cell<(Doing, Instant)>,
    /// Whether it has been told to give way.
    gives_way: Cell<bool>,
    told: Notify,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Connections(RefCell<Vec<Rc<ConnectionSeat>>>);

/// A connection among the others, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seated {
    pub(crate) seat: Rc<ConnectionSeat>,
    among: Rc<Connections>,
}

impl Connections {
    /// Lets one in, and tells another to give way where that is needed. `None`: all are busy.
    pub(crate) fn admit(self: &Rc<Self>, peer: IpAddr) -> Option<Seated> {
        let peer = group(peer);
        let of_peer = |seat: &&Rc<ConnectionSeat>| seat.peer == peer && !seat.gives_way.get();
        {
            let seats = self.0.borrow();
            if seats.iter().filter(of_peer).count() >= OF_PEER_MAX {
                make_room(seats.iter().filter(of_peer))?;
            } else if seats.iter().filter(|seat| !seat.gives_way.get()).count() >= CONNECTIONS_MAX {
                make_room(seats.iter().filter(|seat| !seat.gives_way.get()))?;
            }
        }
        let seat = Rc::new(ConnectionSeat {
            peer,
            doing: Cell::new((Doing::Waiting, Instant::now())),
            gives_way: Cell::new(false),
            told: Notify::new(),
        });
        self.0.borrow_mut().push(seat.clone());
        Some(Seated { seat, among: self.clone() })
    }
}

/// Tells the one that has waited longest to give way.
fn make_room<'a>(seats: impl Iterator<Item = &'a Rc<ConnectionSeat>>) -> Option<()> {
    let waits = |seat: &&Rc<ConnectionSeat>| match seat.doing.get() {
        (Doing::Waiting, _) => true,
        (Doing::Answering, since) => since.elapsed() > ANSWER_WITHIN,
        (Doing::Streaming, _) => false,
    };
    let seat = seats.filter(waits).min_by_key(|seat| seat.doing.get().1)?;
    seat.gives_way.set(true);
    seat.told.notify_one();
    Some(())
}

impl ConnectionSeat {
    /// Notes what it does from now on.
    pub(crate) fn now(&self, doing: Doing) {
        self.doing.set((doing, Instant::now()));
    }

    pub(crate) fn doing(&self) -> Doing {
        self.doing.get().0
    }

    /// Returns when it must give way.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.among.0.borrow_mut().retain(|seat| !Rc::ptr_eq(seat, &self.seat));
    }
}
