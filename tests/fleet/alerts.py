"""Alerts of a fleet, and when three agents of a site have raised one within ten minutes.

    alerts.py make --headwater BINARY DIRECTORY    `messages.jsonl`, what 24 agents say in the order in which it comes, `late.jsonl`,
                                                   what one of them says a day later, and `truth.json`
    alerts.py judge TRUTH RESULTS                  holds the job's results against the truth

Every agent is the real program (`replay`) over a recording whose readings are above the threshold for spans that are known.
Messages come out of order within the minute that the job allows, twice, and the end of an alert before its beginning. What
comes a day late says nothing of now.
"""

import argparse
import json
import os
import random
import subprocess
import sys

SITES = ("north", "south", "east")
BEGIN_MS = 1_700_000_000_000 // 3_600_000 * 3_600_000
STEP_MS = 10_000
MINUTE_MS = 60_000
HOURS = 4
AGENTS = 24
LATE_AGENT = 7
WITHIN_MS = 10 * MINUTE_MS
ENOUGH = 3

CONFIG = """
[agent]
id = "{agent}"
state_dir = "{directory}/state-{agent}"
[sources.field]
type = "mqtt"
url = "mqtt://127.0.0.1:1883"
topics = ["field/climate"]
time = "ts"
series = "bed/{{field}}"
labels = {{ site = "{site}" }}
[streams.climate]
window = {{ type = "tumbling", size = "1m" }}
aggregates = ["count", "mean"]
lateness = "10s"
[[streams.climate.detectors]]
type = "threshold"
above = 30.0
[outputs.upstream]
type = "stdout"
"""


def excursions(number, rng):
    """Spans [ms] in which the readings of an agent are above the threshold, in order and apart."""
    spans, at = [], BEGIN_MS + rng.randrange(1, 60) * STEP_MS
    while at < BEGIN_MS + HOURS * 60 * MINUTE_MS - 40 * MINUTE_MS:
        length = rng.choice((1, 3, 12, 120)) * STEP_MS  # some end before the third begins, some after the ten minutes
        spans.append((at, at + length))
        at += length + rng.randrange(30, 400) * STEP_MS
    return spans


def messages(binary, directory, number, spans, rng):
    """(arrival, line) of what an agent says."""
    agent, site = f"pi-{number}", SITES[number % len(SITES)]
    config, csv = (os.path.join(directory, f"{agent}.{ending}") for ending in ("toml", "csv"))
    with open(config, "w") as file:
        file.write(CONFIG.format(agent=agent, site=site, directory=directory))
    with open(csv, "w") as file:
        file.write("ts,temp\n")
        for time in range(BEGIN_MS, BEGIN_MS + HOURS * 60 * MINUTE_MS, STEP_MS):
            is_above = any(begin <= time < end for begin, end in spans)
            file.write(f"{time},{35 if is_above else 20}\n")
    said = subprocess.run([binary, "replay", "-c", config, csv], check=True, capture_output=True, text=True)
    for line in said.stdout.splitlines():
        message = json.loads(line)
        if message["kind"] not in ("summary", "alert"):
            continue
        arrival = message["time" if message["kind"] == "alert" else "end"] + rng.randrange(50_000)
        yield arrival, line
        if rng.random() < 0.1:
            yield arrival + rng.randrange(5_000), line


def truth(spans):
    """(site, time [ms], state) of each change, by looking at every step."""
    changes = []
    for site in SITES:
        raised = False
        for time in range(BEGIN_MS, BEGIN_MS + HOURS * 60 * MINUTE_MS, STEP_MS):
            count = sum(
                any(begin <= time < min(end, begin + WITHIN_MS) for begin, end in own)
                for number, own in spans.items()
                if SITES[number % len(SITES)] == site and number != LATE_AGENT
            )
            if (count >= ENOUGH) != raised:
                raised = not raised
                changes.append([site, time, "raised" if raised else "cleared"])
    return sorted(changes)


def make(options):
    os.makedirs(options.directory, exist_ok=True)
    rng = random.Random(11)
    spans = {number: excursions(number, rng) for number in range(AGENTS)}
    said = {"messages": [], "late": []}
    for number, own in spans.items():
        said["late" if number == LATE_AGENT else "messages"] += messages(
            options.headwater, options.directory, number, own, rng
        )
    for name, lines in said.items():
        with open(os.path.join(options.directory, f"{name}.jsonl"), "w") as file:
            file.writelines(line + "\n" for _, line in sorted(lines, key=lambda message: message[0]))
    with open(os.path.join(options.directory, "truth.json"), "w") as file:
        json.dump(truth(spans), file)
    print(f"{sum(map(len, said.values()))} messages of {AGENTS} agents, {len(truth(spans))} changes")


def judge(truth_path, results_path):
    with open(truth_path) as file:
        expected = json.load(file)
    with open(results_path) as file:
        told = [json.loads(line) for line in file]
    told = [alert for alert in told if alert["kind"] == "fleet_alert"]
    found = sorted([alert["labels"]["site"], alert["time"], alert["state"]] for alert in told)
    wrong = [change for change in expected if change not in found] + [change for change in found if change not in expected]
    wrong += [change for at, change in enumerate(found) if change in found[:at]]
    for change in wrong:
        print(f"{'missing' if change in expected else 'nobody did'}: {change}", file=sys.stderr)
    few = [alert for alert in told if alert["state"] == "raised" and len(alert["agents"]) < ENOUGH]
    print(f"{len(expected) - sum(change in expected for change in wrong)} of {len(expected)} changes right")
    return 1 if wrong or few or not expected else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("directory")
    making.add_argument("--headwater", required=True)
    judging = commands.add_parser("judge")
    judging.add_argument("truth")
    judging.add_argument("results")
    options = parser.parse_args()
    if options.command == "make":
        return make(options)
    return judge(options.truth, options.results)


if __name__ == "__main__":
    sys.exit(main())
