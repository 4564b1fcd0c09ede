//! Ends agents by force, as often as asked: `tests/soak kill 1000`, `tests/soak power-cut 200`, `tests/soak
//! power-cut-durable 200`.

use headwater_tests::soak::{kill, power};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, times] = arguments.as_slice() else { usage() };
    let Ok(times) = times.parse() else { usage() };
    match what.as_str() {
        "kill" => println!("{}", kill::run(times)),
        "power-cut" => {
            if let Some(said) = power::run(times) {
                println!("{said}");
            }
        }
        "power-cut-durable" => {
            if let Some(said) = power::run_durable(times) {
                println!("{said}");
            }
        }
        _ => usage(),
    }
}

fn usage() -> ! {
    eprintln!("usage: soak kill|power-cut|power-cut-durable TIMES");
    std::process::exit(2)
}
