//! A door for `tests/fuzz`: a unit that answers what it likes.

use super::link::Link;
use super::register::{RegisterPlace, RegisterTable};
use super::request::RegisterSpan;
use std::time::Duration;
use tokio::io::{join, sink};
use tokio_modbus::client::{rtu, tcp};

/// Asks a unit whose answers these are, over TCP and over a serial line. The first byte says for what, the second how many.
pub(crate) async fn ask(bytes: &[u8]) {
    use RegisterTable::{Coil, Discrete, Holding, Input};
    let [table, count, answers @ ..] = bytes else { return };
    let table = [Coil, Discrete, Holding, Input].into_iter().cycle().nth(usize::from(*table)).unwrap_or(Coil);
    let count = u16::from(*count % 125) + 1;
    let place = RegisterPlace { unit: 1, table, address: 0 };
    let span = RegisterSpan { place, count, parts: Vec::new() };
    for is_serial in [false, true] {
        let unit = join(std::io::Cursor::new(answers.to_vec()), sink());
        let mut link = Link::of(if is_serial { rtu::attach(unit) } else { tcp::attach(unit) });
        for _ in 0..3 {
            if let Ok(words) = link.ask(&span, Duration::from_secs(1)).await {
                assert_eq!(words.len(), usize::from(count));
            }
        }
    }
}
