"""The output of many agents, and what is true of their readings.

    swarm.py --headwater BINARY --agents 200 --hours 3 DIRECTORY

Writes `messages.jsonl`, what the agents say in the order in which it comes upstream, and `truth.json`, what all raw readings
say for each site and hour. Every agent is the real program (`replay`) over a recording of its own: clocks that differ,
readings out of order and late (so there are revisions), outages with backfill, one agent a day late, one with windows of an
hour as after thinning, repeats, an old revision after the new one, and messages that nobody can use.
"""

import argparse
import concurrent.futures
import json
import math
import os
import random
import subprocess

SITES = ("north", "south", "east")
BEGIN_MS = 1_700_000_000_000 // 3_600_000 * 3_600_000
HOUR_MS = 3_600_000
PERCENTILES = (50, 95, 99)

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
window = {{ type = "tumbling", size = "{size}" }}
aggregates = ["count", "min", "max", "mean", "variance", "sum"]
sketch = true
lateness = "10s"
retain = "1h"
[outputs.upstream]
type = "stdout"
"""


def recording(number, hours, rng):
    """Rows of (arrival, time, temp, hum) of an agent: a reading every 10 s or so, some late, some very late."""
    shift = rng.randrange(10_000)  # clocks are not in step
    rows = []
    for time in range(BEGIN_MS + shift, BEGIN_MS + hours * HOUR_MS, 10_000):
        hour = (time - BEGIN_MS) / HOUR_MS
        temp = round(20 + 5 * math.sin(hour + number) + rng.gauss(0, 0.3), 2)
        hum = round(max(0.0, rng.lognormvariate(3.5, 0.6)), 1)
        late = 0 if rng.random() < 0.97 else rng.choice((5_000, 60_000, 600_000))
        rows.append((time + late, time, temp, hum))
    return sorted(rows)


def summaries(binary, directory, number, hours):
    """What an agent says, and its readings by site, field and hour."""
    rng = random.Random(number)
    agent, site = f"pi-{number}", SITES[number % len(SITES)]
    size = "1h" if number == 1 else "1m"
    rows = recording(number, hours, rng)
    config, csv = (os.path.join(directory, f"{agent}.{ending}") for ending in ("toml", "csv"))
    with open(config, "w") as file:
        file.write(CONFIG.format(agent=agent, site=site, size=size, directory=directory))
    with open(csv, "w") as file:
        file.write("ts,temp,hum\n")
        file.writelines(f"{time},{temp},{hum}\n" for _, time, temp, hum in rows)
    replayed = subprocess.run([binary, "replay", "-c", config, csv], check=True, capture_output=True, text=True)
    lines = replayed.stdout.splitlines()
    report = next(json.loads(line) for line in lines if '"kind":"report"' in line)
    assert report["late"] == 0 and report["received"] == 2 * len(rows), report
    truth = {}
    for _, time, temp, hum in rows:
        for field, value in (("temp", temp), ("hum", hum)):
            truth.setdefault((site, field, time // HOUR_MS * HOUR_MS), []).append(value)
    return [line for line in lines if '"kind":"summary"' in line], truth


def disturbed(number, lines, rng):
    """(arrival, line) of an agent's messages."""
    outage = BEGIN_MS + rng.randrange(1, 3) * HOUR_MS
    for at, line in enumerate(lines):
        message = json.loads(line)
        arrival = message["end"] + 12_000 + at
        if number % 4 == 0 and outage - 1_800_000 <= arrival < outage:
            arrival = outage + at  # backfill
        if number == 2:
            arrival += 24 * HOUR_MS
        if message["rev"] and rng.random() < 0.5:
            arrival -= 900_000  # the new revision before the old one
        yield arrival, line
        if rng.random() < 0.05:
            yield arrival + rng.randrange(600_000), line


def useless(line):
    """Messages that are refused, each for its reason; and one that says nothing new."""
    known = json.loads(line)
    for change in (
        {"v": 2},
        {"sketch": {**known["sketch"], "level": 40}},
        {"start": known["start"] - 30 * 24 * HOUR_MS},
        {"count": -1},
    ):
        yield json.dumps({**known, **change})
    yield line.replace('"mean":', '"mean":NaN,"was":')
    yield "{"
    yield json.dumps({key: value for key, value in known.items() if key != "count"})


def rank(values, percent):
    values = sorted(values)
    return values[max(1, math.ceil(percent * len(values) / 100)) - 1]


def told(values):
    mean = math.fsum(values) / len(values)
    result = {"count": len(values), "sum": math.fsum(values), "min": min(values), "max": max(values), "mean": mean}
    result["variance"] = math.fsum((value - mean) ** 2 for value in values) / len(values)
    return result | {f"p{percent}": rank(values, percent) for percent in PERCENTILES}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory")
    parser.add_argument("--headwater", required=True)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--hours", type=int, default=3)
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    rng = random.Random(7)
    messages, truth = [], {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tell = lambda number: summaries(options.headwater, options.directory, number, options.hours)
        for number, (lines, readings) in enumerate(pool.map(tell, range(options.agents))):
            messages += disturbed(number, lines, rng)
            for key, values in readings.items():
                truth.setdefault(key, []).extend(values)
            if number == 0:
                messages += [(messages[0][0] + at, bad) for at, bad in enumerate(useless(lines[0]))]
    # What comes in a day moves the watermark past all windows but the last.
    unlabelled = json.loads(lines[-1])
    unlabelled |= {"id": "without-label", "agent": "elsewhere"}
    del unlabelled["labels"]
    messages.append((messages[0][0], json.dumps(unlabelled)))
    with open(os.path.join(options.directory, "messages.jsonl"), "w") as file:
        file.writelines(line + "\n" for _, line in sorted(messages, key=lambda message: message[0]))
    with open(os.path.join(options.directory, "truth.json"), "w") as file:
        json.dump({f"{site} {field} {start}": told(values) for (site, field, start), values in truth.items()}, file)
    print(f"{len(messages)} messages of {options.agents} agents, {len(truth)} windows")


if __name__ == "__main__":
    main()
