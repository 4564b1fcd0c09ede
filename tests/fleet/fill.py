"""Summaries of many agents, all different, as many as fill a disk: fill.py AGENTS HOURS.

Writes lines of KEY TAB MESSAGE in the order of their time: windows of a minute, two series of six readings each with a sketch, sites of
twenty agents; then two a day later, which end their windows. What agents say themselves (swarm.py) takes minutes to make at that size.
"""

import json
import math
import random
import sys

BEGIN_MS = 1_700_000_000_000 // 3_600_000 * 3_600_000
MINUTE_MS = 60_000
LEVEL = -7
GAMMA = (101 / 99) ** (2.0**LEVEL)
READINGS = 6
AGENTS_OF_SITE = 20


def summary(agent, site, field, start, values):
    count, mean = len(values), sum(values) / len(values)
    bins = {}
    for value in values:
        index = math.ceil(math.log(value) / math.log(GAMMA))
        bins[index] = bins.get(index, 0) + 1
    return {
        "v": 1, "kind": "summary", "id": f"climate/bed/{field}@{start}+{MINUTE_MS}", "rev": 0, "agent": agent, "stream": "climate",
        "series": f"bed/{field}", "labels": {"site": site}, "start": start, "end": start + MINUTE_MS, "count": count,
        "min": min(values), "max": max(values), "mean": mean, "variance": sum((value - mean) ** 2 for value in values) / count,
        "sum": sum(values), "sketch": {"gamma": GAMMA, "level": LEVEL, "zero": 0, "negative": [], "positive": sorted(bins.items())},
    }  # fmt: skip


def main(agents, hours):
    rng = random.Random(7)
    write = json.JSONEncoder(separators=(",", ":")).encode
    for minute in range(hours * 60 + 1):
        # The last one is alone, and a day later.
        is_last = minute == hours * 60
        start = BEGIN_MS + minute * MINUTE_MS + is_last * 24 * 60 * MINUTE_MS
        for number in range(1 if is_last else agents):
            agent, site = f"pi-{number}", f"site-{number // AGENTS_OF_SITE}"
            base = 18 + number % 7
            temp = [round(base + rng.gauss(0, 0.8), 2) for _ in range(READINGS)]
            hum = [round(rng.lognormvariate(3.5, 0.6) + 0.1, 1) for _ in range(READINGS)]
            for field, values in (("temp", temp), ("hum", hum)):
                sys.stdout.write(f"{agent}/{field}\t{write(summary(agent, site, field, start, values))}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
