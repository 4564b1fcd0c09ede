//! Units that answer late, for others, or not at all. Real ones are met in `tests/tests/agent/modbus.rs`.

use crate::Finding;
use crate::testing::{Run, Told, port, run_local, source};
use std::cell::{Cell, RefCell};
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

/// How a unit answers a question.
#[derive(Clone, Copy)]
enum Manner {
    Well,
    /// So long after it was asked.
    Late(Duration),
    /// As the unit that is not there.
    AsAnother,
    /// With fewer values.
    Short,
    Never,
    /// With this exception.
    Refusing(u8),
    /// It closes the connection.
    Closing,
}

/// A gateway whose units have each register's number as its value.
struct Gateway {
    port: u16,
    manner: Rc<dyn Fn(u8, u16) -> Manner>,
    connections: Rc<Cell<u32>>,
    /// The unit of each question, and its first register.
    asked: Rc<RefCell<Vec<(u8, u16)>>>,
    task: Option<JoinHandle<()>>,
}

impl Gateway {
    async fn start(manner: impl Fn(u8, u16) -> Manner + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut gateway = Self {
            port: listener.local_addr().unwrap().port(),
            manner: Rc::new(manner),
            connections: Rc::default(),
            asked: Rc::default(),
            task: None,
        };
        gateway.serve(listener);
        gateway
    }

    fn serve(&mut self, listener: TcpListener) {
        let (manner, connections, asked) =
            (self.manner.clone(), self.connections.clone(), self.asked.clone());
        self.task = Some(spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.set(connections.get() + 1);
                spawn_local(answer(stream, manner.clone(), asked.clone()));
            }
        }));
    }

    fn table(&self, more: &str) -> String {
        format!(
            "type = \"modbus\"\nurl = \"tcp://127.0.0.1:{}\"\ninterval = \"20ms\"\ntimeout = \"100ms\"\n{more}\n",
            self.port
        )
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.iter().for_each(JoinHandle::abort);
    }
}

async fn answer(
    mut stream: TcpStream,
    manner: Rc<dyn Fn(u8, u16) -> Manner>,
    asked: Rc<RefCell<Vec<(u8, u16)>>>,
) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let [t0, t1, _, _, _, _, unit, function, a0, a1, c0, c1] = request;
        let (address, mut count) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([c0, c1]));
        asked.borrow_mut().push((unit, address));
        let mut own = unit;
        let mut body = None;
        match manner(unit, address) {
            Manner::Well => {}
            Manner::Late(after) => sleep(after).await,
            Manner::AsAnother => own = unit + 1,
            Manner::Short => count -= 1,
            Manner::Never => continue,
            Manner::Refusing(code) => body = Some(vec![function | 0x80, code]),
            Manner::Closing => return,
        }
        let body = body.unwrap_or_else(|| {
            let words = (address..address + count).flat_map(u16::to_be_bytes);
            [function, u8::try_from(count * 2).unwrap()].into_iter().chain(words).collect()
        });
        let length = u16::try_from(body.len() + 1).unwrap().to_be_bytes();
        let head = [t0, t1, 0, 0, length[0], length[1], own];
        if stream.write_all(&[&head[..], &body].concat()).await.is_err() {
            return;
        }
    }
}

const TWO_UNITS: &str =
    "registers = [{ name = \"a\", address = 7 }, { name = \"b\", address = 9, unit = 2 }]";

/// The values that came under a name.
fn values(told: &Told, name: &str) -> Vec<f64> {
    let seen = told.0.borrow();
    seen.readings.iter().filter(|(of, ..)| of == name).map(|(.., value)| *value).collect()
}

/// A late answer is that to an earlier question: on the same connection it would be taken for that to the next one. The two
/// questions alternate, so that a value of the wrong register would show.
#[test]
fn an_answer_that_comes_late_is_never_taken_for_another_one() {
    run_local(async {
        let asked = Rc::new(Cell::new(0));
        let gateway = Gateway::start(move |_, _| {
            asked.set(asked.get() + 1);
            if asked.get() % 3 == 0 { Manner::Late(Duration::from_millis(150)) } else { Manner::Well }
        })
        .await;
        let told = Told::default();
        let registers = "registers = [{ name = \"a\", address = 7 }, { name = \"b\", address = 9 }]";
        let run = Run::start(&gateway.table(registers), &told);
        told.until("values after late ones", |seen| seen.readings.len() > 12).await;
        run.stop().await;
        assert!(gateway.connections.get() > 2, "each time a fresh connection");
        assert!(values(&told, "source/a").iter().all(|value| *value == 7.0));
        assert!(values(&told, "source/b").iter().all(|value| *value == 9.0));
        assert!(told.0.borrow().links.iter().any(|link| link.contains("no answer within 100 ms")));
    });
}

/// The check of a frame on a serial line (Modbus over Serial Line V1.02, 6.2.2).
fn check(frame: &[u8]) -> [u8; 2] {
    let step = |crc: u16| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
    let byte = |crc: u16, byte: &u8| (0..8).fold(crc ^ u16::from(*byte), |crc, _| step(crc));
    frame.iter().fold(0xFFFF, byte).to_le_bytes()
}

/// On a serial line nothing says to which question an answer belongs.
#[test]
fn an_answer_that_comes_late_over_a_serial_line_is_none_to_the_next_question() {
    let (mut device, path) = port();
    let is_over = Arc::new(AtomicBool::new(false));
    let shall_end = is_over.clone();
    let unit = std::thread::spawn(move || {
        let (mut request, mut number) = ([0; 8], 0);
        while !shall_end.load(Ordering::Relaxed) {
            // Nobody has the other end open: it is opened again.
            if device.read_exact(&mut request).is_err() {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            number += 1;
            if number % 3 == 0 {
                std::thread::sleep(Duration::from_millis(150));
            }
            let answer = [request[0], request[1], 2, request[2], request[3]];
            let _ = device.write_all(&[&answer[..], &check(&answer)].concat());
        }
    });
    run_local(async {
        let told = Told::default();
        let registers = "registers = [{ name = \"a\", address = 7 }, { name = \"b\", address = 9 }]";
        let table = format!(
            "type = \"modbus\"\nurl = \"rtu://{}\"\ninterval = \"20ms\"\ntimeout = \"100ms\"\npause = \"0s\"\n{registers}\n",
            path.display()
        );
        let Some(Finding::Works(_)) = source(&table).probe().await else { panic!("it is there") };
        let run = Run::start(&table, &told);
        told.until("values after late ones", |seen| seen.readings.len() > 8).await;
        run.stop().await;
        assert!(values(&told, "source/a").iter().all(|value| *value == 7.0));
        assert!(values(&told, "source/b").iter().all(|value| *value == 9.0));
        assert!(told.0.borrow().links.iter().any(|link| link.contains("no answer within 100 ms")));
    });
    is_over.store(true, Ordering::Relaxed);
    unit.join().unwrap();
}

#[test]
fn a_unit_that_answers_badly_stops_no_other() {
    let bad = [
        (Manner::AsAnother, "the answer is one of another unit"),
        (Manner::Short, "0 values came, and 1 were asked for"),
        (Manner::Never, "no answer within 100 ms"),
        (Manner::Refusing(2), "IllegalDataAddress"),
        (Manner::Refusing(11), "the gateway does not reach the unit"),
        (Manner::Closing, "the other side has closed the connection"),
    ];
    for (manner, why) in bad {
        run_local(async move {
            let gateway = Gateway::start(move |unit, _| if unit == 1 { manner } else { Manner::Well }).await;
            let table = gateway.table(TWO_UNITS);
            let Some(Finding::Note(what)) = source(&table).probe().await else { panic!("{why}") };
            assert!(
                what.starts_with("answers as unit 2; unit 1, holding 7 to 7: ") && what.contains(why),
                "{what}"
            );
            let told = Told::default();
            let run = Run::start(&table, &told);
            told.until(&format!("the other unit while {why}"), |seen| seen.readings.len() > 10).await;
            told.until("the trouble", |seen| seen.troubles.iter().any(|trouble| trouble.contains(why))).await;
            run.stop().await;
            assert_eq!(values(&told, "source/a"), [0.0; 0]);
            assert!(values(&told, "source/b").iter().all(|value| *value == 9.0));
            let is_counted = told.0.borrow().invalid.iter().any(|invalid| invalid.contains(why));
            let is_an_answer = !matches!(manner, Manner::Never | Manner::Closing | Manner::Refusing(11));
            assert_eq!(is_counted, is_an_answer, "{why}");
            // It rests, so that the time of the others is not spent on it.
            let asked = gateway.asked.borrow().iter().filter(|(unit, _)| *unit == 1).count();
            assert!(matches!(manner, Manner::Refusing(2)) || asked < 10, "{why}: asked {asked} times");
        });
    }
}

/// One register that a unit does not have is a mistake in the config, and no reason to be down.
#[test]
fn a_register_that_is_refused_costs_the_others_nothing() {
    run_local(async {
        let gateway =
            Gateway::start(|_, address| if address == 7 { Manner::Refusing(2) } else { Manner::Well }).await;
        let told = Told::default();
        let registers = "registers = [{ name = \"a\", address = 7 }, { name = \"b\", address = 9 }]";
        let run = Run::start(&gateway.table(registers), &told);
        told.until("values", |seen| seen.readings.len() > 5 && seen.troubles.len() > 2).await;
        run.stop().await;
        let seen = told.0.borrow();
        assert_eq!(seen.links, ["up"]);
        assert!(seen.troubles.iter().all(|trouble| trouble.contains("unit 1, holding 7 to 7")));
        assert_eq!((gateway.connections.get(), values(&told, "source/a")), (1, vec![]));
    });
}

#[test]
fn a_gateway_comes_late_goes_and_comes_back() {
    run_local(async {
        let mut gateway = Gateway::start(|_, _| Manner::Well).await;
        gateway.task.take().unwrap().abort();
        sleep(Duration::from_millis(10)).await;
        let told = Told::default();
        let run = Run::start(&gateway.table(TWO_UNITS), &told);
        told.until_link("cannot connect to 127.0.0.1").await;
        let listener = TcpListener::bind(("127.0.0.1", gateway.port)).await.unwrap();
        gateway.serve(listener);
        told.until_link("up").await;
        told.until("both", |seen| seen.readings.len() >= 2).await;
        assert_eq!(told.values()[..2], [7.0, 9.0]);
        run.stop().await;
    });
}

/// Many devices close a connection on which nothing was asked for a while.
#[test]
fn a_connection_that_was_closed_between_two_rounds_costs_nothing() {
    run_local(async {
        let first = Rc::new(Cell::new(0));
        let gateway = Gateway::start(move |_, _| {
            first.set(first.get() + 1);
            if first.get() % 2 == 0 { Manner::Closing } else { Manner::Well }
        })
        .await;
        let told = Told::default();
        let run = Run::start(&gateway.table("registers = [{ name = \"a\", address = 7 }]"), &told);
        told.until("values", |seen| seen.readings.len() > 5).await;
        run.stop().await;
        assert_eq!(told.0.borrow().links, ["up"]);
    });
}

#[test]
fn registers_are_asked_together_and_named_as_the_table_says() {
    run_local(async {
        let gateway = Gateway::start(|_, _| Manner::Well).await;
        let registers: String = (0..100)
            .map(|n| format!("{{ name = \"r{n}\", address = {n}, scale = 0.5, unit_of_measure = \"W\" }}, "))
            .collect();
        let source = source(&gateway.table(&format!("registers = [{registers}]")));
        let Some(Finding::Works(what)) = source.probe().await else { panic!("it answers") };
        assert_eq!(what, "answers as unit 1");
        let told = Told::default();
        let run = Run::start(&gateway.table(&format!("registers = [{registers}]")), &told);
        told.until("a round", |seen| seen.introduced >= 100).await;
        run.stop().await;
        assert_eq!(gateway.asked.borrow()[1], (1, 0));
        assert_eq!(values(&told, "source/r7")[0], 3.5);
    });
}
