//! How long readings take from their broker to the uplink while configs change, beside how long they take while none does. Run
//! by `tests/bench reload`.

use headwater_tests::{Agent, Mosquitto, Options, Publisher, RuntimeDir, Subscriber, TempDir, wait_for};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Readings follow each other so fast: 200 a second.
const EVERY: Duration = Duration::from_millis(5);

const RELOADS: usize = 50;

/// A reload is looked at from its signal on for so long.
const LOOKED_AT: Duration = Duration::from_millis(400);

fn main() {
    let broker = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let subscriber = Subscriber::new(broker.port);
    let base = format!(
        "[agent]\nid = \"bench\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\nqos = 1\n\
         topics = [\"bench/{{place}}\"]\nfields = [\"temp\"]\n[streams.raw]\nwindow = {{ type = \"none\" }}\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n",
        port = broker.port
    );
    let agent = Agent::start_with(&dir, &base, &runtime.environment());
    agent.wait_log(&["output connected"]);
    agent.wait_logs(&["checkpoint written"], 2);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(broker.port, &is_over));
        let receiving = scope.spawn(|| receive(&subscriber, &is_over));
        std::thread::sleep(Duration::from_secs(10));
        let mut signals = Vec::new();
        for number in 0..RELOADS {
            let extra =
                format!("[streams.extra]\nwindow = {{ type = \"tumbling\", size = \"{}s\" }}\n", 10 + number);
            signals.push(Instant::now());
            agent.reload_with(&dir, &format!("{base}{extra}"));
            std::thread::sleep(LOOKED_AT);
        }
        is_over.store(true, Ordering::Relaxed);
        let sent = sending.join().expect("the publisher");
        wait_for("all readings", || (receiving.is_finished()).then_some(()));
        let received = receiving.join().expect("the subscriber");
        println!("{} readings sent, {} told", sent.len(), received.iter().flatten().count());
        tell(&sent, &received, &signals);
    });
}

/// Publishes the numbers 0, 1, … until it is over. Returns when each was sent.
fn send(port: u16, is_over: &AtomicBool) -> Vec<Instant> {
    let (mut publisher, mut sent) = (Publisher::new(port), Vec::new());
    let begun = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let due = begun + EVERY * u32::try_from(sent.len()).expect("few readings");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        publisher.publish("bench/place", format!(r#"{{"temp":{}}}"#, sent.len())).expect("a publish");
        publisher.flush().expect("an acknowledgement");
        sent.push(Instant::now());
    }
    sent
}

/// When each number came first, until none has come for 2 s and it is over.
fn receive(subscriber: &Subscriber, is_over: &AtomicBool) -> Vec<Option<Instant>> {
    let (mut received, mut last) = (Vec::new(), Instant::now());
    while !is_over.load(Ordering::Relaxed) || last.elapsed() < Duration::from_secs(2) {
        let (messages, now) = (subscriber.take_all(), Instant::now());
        for message in messages.of("reading") {
            last = now;
            let number = message.number("value") as usize;
            received.resize(received.len().max(number + 1), None);
            received[number].get_or_insert(now);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    received
}

fn tell(sent: &[Instant], received: &[Option<Instant>], signals: &[Instant]) {
    let took = |at: usize| {
        let came = received.get(at).copied().flatten()?;
        Some(came.saturating_duration_since(sent[at]).as_secs_f64() * 1e3)
    };
    let slowest = |from: Instant, to: Instant| {
        let within = sent.iter().enumerate().filter(|(_, at)| (from..to).contains(*at));
        within.filter_map(|(at, _)| took(at)).fold(0.0, f64::max)
    };
    let mut quiet: Vec<f64> = (1..=RELOADS)
        .filter_map(|back| signals[0].checked_sub(LOOKED_AT / 2 * u32::try_from(back).ok()?))
        .filter(|from| *from > sent[0])
        .map(|from| slowest(from, from + LOOKED_AT / 2))
        .collect();
    let mut reloads: Vec<f64> = signals.iter().map(|at| slowest(*at, *at + LOOKED_AT)).collect();
    for (what, list) in [("no config changes", &mut quiet), ("a config changes", &mut reloads)] {
        list.sort_by(f64::total_cmp);
        let middle = list[list.len() / 2];
        println!(
            "{what}: the slowest reading takes {middle:.0} ms (median of {}), {:.0} ms at most",
            list.len(),
            list[list.len() - 1]
        );
    }
}
