//! Resident memory with 10, 1,000 and 10,000 series in tumbling windows with a p95, the uplink up; and the binary's
//! size; with the environment of the service. Run by `tests/bench memory`.

use headwater_tests::process::status_kib;
use headwater_tests::{Agent, Mosquitto, Options, Publisher, RuntimeDir, Subscriber, TempDir, probe};
use std::time::Duration;

/// Readings of each series in a window of a minute.
const PER_WINDOW: usize = 60;

/// Windows that each series goes through.
const WINDOWS: usize = 3;

fn main() {
    let size = std::fs::metadata(headwater_tests::agent::program()).expect("the binary").len();
    println!(
        "binary: {:.2} MB of this machine's code; `cross/build` holds the size for small devices",
        size as f64 / 1e6
    );
    for (series, aim) in [(10, 8), (1_000, 12), (10_000, 40)] {
        let (resident, peak) = measure(series);
        println!("{series:>6} series: RSS {resident:.1} MiB, peak {peak:.1} MiB (aim: below {aim})");
    }
}

/// RSS and its peak, in MiB, after the windows, with as many still open.
fn measure(series: usize) -> (f64, f64) {
    let quiet = || Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let (broker, uplink) = (quiet(), quiet());
    let subscriber = Subscriber::to(uplink.port, "headwater/+/summary/#");
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let agent = Agent::start_with(
        &dir,
        &format!(
            "[agent]\nid = \"bench\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nqos = 1\n\
             topics = [\"bench/{{place}}/climate\"]\ntime = \"ts\"\ntime_format = \"unix_ms\"\nfields = [\"temp\"]\n\
             [streams.main]\nwindow = {{ type = \"tumbling\", size = \"1m\" }}\nidle = \"1h\"\n\
             aggregates = [\"count\", \"min\", \"max\", \"mean\", \"stddev\", \"p95\"]\n\
             [limits]\nseries = 10001\n[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
            broker.port, uplink.port
        ),
        &runtime.environment(),
    );
    probe::until_heard(broker.port, "bench/probe/climate", &subscriber);
    let mut publisher = Publisher::new(broker.port);
    let mut random = fastrand::Rng::with_seed(1);
    for window in 0..=WINDOWS {
        for step in 0..PER_WINDOW {
            for place in 0..series {
                let time = 1_700_000_040_000 + window * 60_000 + step * 1_000;
                let temp = 15.0 + 10.0 * random.f64() + place as f64 % 7.0;
                let payload = format!(r#"{{"ts":{time},"temp":{temp:.2}}}"#);
                publisher.publish(&format!("bench/{place}/climate"), payload).expect("a publish");
            }
        }
    }
    publisher.flush().expect("the broker's acknowledgements");
    subscriber.wait_until("all summaries", |messages| messages.count_ids("summary") >= series * WINDOWS);
    std::thread::sleep(Duration::from_secs(3));
    let mebibytes = |key| status_kib(agent.pid(), key).expect("a running agent") as f64 / 1_024.0;
    (mebibytes("VmRSS"), mebibytes("VmHWM"))
}
