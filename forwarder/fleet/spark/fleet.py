"""Merges the summaries of many agents: the rule of ../README.md in plain Python, without an engine.

A summary is a message of kind `summary` as agents send it. `read` turns one into an `Entry` of a group and a window,
`Revisions` keeps of each id the one that counts, and `merge` makes of these what one window over all readings says.
"""

import json
import math
from dataclasses import dataclass, field

WIRE_VERSION = 1
LEVELS = range(-7, 17)
# Magnitudes of bins beyond this do not occur: gamma^index would not be a number.
INDEX_MAX = 1 << 24
# More readings than that are in no window, so that sums of counts stay below 2^63.
COUNT_MAX = 1 << 40
# The end of the year 9999, and as long before 1970.
TIME_MAX_MS = 253_402_300_799_999


class Rejected(ValueError):
    """A message that cannot be merged; its text says why, its `reason` is one word for counting."""

    def __init__(self, reason, text):
        super().__init__(text)
        self.reason = reason


def _number(value, name):
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise Rejected("malformed", f"`{name}` is {str(value)[:40]}; it has to be a finite number")


def _integer(value, name, least, greatest):
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= greatest:
        raise Rejected("malformed", f"`{name}` is {str(value)[:40]}; it has to be an integer from {least} to {greatest}")
    return value


def _power(base, exponent):
    """As of IEEE 754: infinite where Python has an error."""
    try:
        return base**exponent
    except OverflowError:
        return math.inf


def _sum(values):
    """Exact; NaN if a part or the sum is beyond all numbers."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return math.nan


class Sketch:
    """A DDSketch with the bins of one level: bin i holds magnitudes above gamma^(i-1) and at most gamma^i."""

    __slots__ = ("level", "zero", "positive", "negative")

    def __init__(self, level=LEVELS.start, zero=0, positive=None, negative=None):
        self.level = level
        self.zero = zero
        self.positive = positive or {}
        self.negative = negative or {}

    @classmethod
    def read(cls, sketch):
        """The sketch of a summary. An unknown form raises `Rejected`."""
        try:
            level = _integer(sketch["level"], "level", LEVELS.start, LEVELS.stop - 1)
            zero = _integer(sketch["zero"], "zero", 0, COUNT_MAX)
            signs = [{}, {}]
            for sign, name in zip(signs, ("positive", "negative")):
                if not isinstance(sketch[name], list):
                    raise TypeError(f"`{name}` is no list")
                for index, count in sketch[name]:
                    if _integer(index, "index", -INDEX_MAX, INDEX_MAX) in sign:
                        raise ValueError(f"bin {index} is there twice")
                    sign[index] = _integer(count, "count", 1, COUNT_MAX)
        except (KeyError, TypeError, ValueError) as error:
            raise Rejected("sketch", f"the sketch cannot be read: {error!r}") from error
        return cls(level, zero, *signs)

    @property
    def gamma(self):
        return _power(101 / 99, 2.0**self.level)

    @property
    def count(self):
        return self.zero + sum(self.positive.values()) + sum(self.negative.values())

    def coarsen(self, level):
        """Brings the bins to a higher level: each step replaces i by ceil(i / 2)."""
        while self.level < level:
            self.level += 1
            for name in ("positive", "negative"):
                coarse = {}
                for index, count in getattr(self, name).items():
                    index = -(-index // 2)
                    coarse[index] = coarse.get(index, 0) + count
                setattr(self, name, coarse)

    def add(self, other):
        """Adds a sketch. The other one is left as it is."""
        other = Sketch(other.level, other.zero, dict(other.positive), dict(other.negative))
        level = max(self.level, other.level)
        self.coarsen(level)
        other.coarsen(level)
        self.zero += other.zero
        for mine, theirs in ((self.positive, other.positive), (self.negative, other.negative)):
            for index, count in theirs.items():
                mine[index] = mine.get(index, 0) + count

    def percentile(self, percent, least, greatest):
        """The value of rank ceil(percent / 100 * count), within its bin's bound and never outside [least, greatest].

        NaN if it is beyond all numbers.
        """
        rank = max(1, math.ceil(percent * self.count / 100))
        gamma = self.gamma
        middle = lambda index: 2 * _power(gamma, index) / (gamma + 1)
        runs = [(-middle(i), self.negative[i]) for i in sorted(self.negative, reverse=True)]
        runs.append((0.0, self.zero))
        runs += [(middle(i), self.positive[i]) for i in sorted(self.positive)]
        for value, count in runs:
            rank -= count
            if rank <= 0:
                return value if math.isnan(value) else min(max(value, least), greatest)
        return math.nan

    def write(self):
        return {
            "gamma": self.gamma if math.isfinite(self.gamma) else None,
            "level": self.level,
            "zero": self.zero,
            "negative": [[i, self.negative[i]] for i in sorted(self.negative)],
            "positive": [[i, self.positive[i]] for i in sorted(self.positive)],
        }


@dataclass(frozen=True)
class Group:
    """What is merged with each other: a stream, a field (the last level of the series), the values of the labels."""

    stream: str
    field: str
    labels: tuple  # of (name, value); the value is None where a summary lacks the label

    def id(self, start):
        labels = ",".join(f"{name}={'' if value is None else value}" for name, value in self.labels)
        return f"{self.stream}/{self.field}/{labels}@{start}"


@dataclass
class Entry:
    """What a merge needs of one summary."""

    id: str
    rev: int
    agent: str
    series: str
    partial: bool
    count: int
    min: float | None = None
    max: float | None = None
    sum: float | None = None
    mean: float | None = None
    m2: float | None = None
    sketch: Sketch | None = None


def read(text, by, every_ms):
    """`(Group, start, Entry)` of a message's text, or None for a message of another kind. Raises `Rejected`."""
    try:
        message = json.loads(text)
    except (RecursionError, TypeError, ValueError) as error:
        raise Rejected("malformed", f"no JSON: {error}") from error
    if not isinstance(message, dict):
        raise Rejected("malformed", "no JSON object")
    message = {name: value for name, value in message.items() if value is not None}
    version = message.get("v")
    if type(version) is not int or version != WIRE_VERSION:
        raise Rejected("version", f"version {str(version)[:40]} is unknown; {WIRE_VERSION} is known")
    if message.get("kind") != "summary" or "a" in message:
        return None
    texts = {name: message.get(name) for name in ("id", "agent", "stream", "series")}
    labels = message.get("labels", {})
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(labels, dict):
        raise Rejected("malformed", "`id`, `agent`, `stream` or `series` is no text, or `labels` is no map")
    start, end = (_integer(message.get(name), name, -TIME_MAX_MS, TIME_MAX_MS) for name in ("start", "end"))
    if end < start:
        raise Rejected("malformed", f"a summary from {start} ends before, at {end}")
    window = start // every_ms * every_ms
    if end > window + every_ms:
        raise Rejected("coarse", f"a summary of {end - start} ms from {start} fits into no window of {every_ms} ms")
    text_of = lambda name: labels[name] if isinstance(labels.get(name), str) else None
    group = Group(texts["stream"], texts["series"].rsplit("/", 1)[-1], tuple((name, text_of(name)) for name in by))
    return group, window, _entry(message, texts)


def _entry(message, texts):
    if "count" not in message:
        raise Rejected("no_count", "the summary has no `count`; add it to the stream's aggregates")
    count = _integer(message["count"], "count", 0, COUNT_MAX)
    rev = _integer(message.get("rev"), "rev", 0, (1 << 63) - 1)
    partial = message.get("partial", False)
    if not isinstance(partial, bool):
        raise Rejected("malformed", f"`partial` is {str(partial)[:40]}; it has to be true or false")
    entry = Entry(texts["id"], rev, texts["agent"], texts["series"], partial, count)
    known = {name: _number(message[name], name) for name in ("min", "max", "sum", "mean", "variance", "stddev") if name in message}
    if known.get("variance", 0) < 0 or known.get("stddev", 0) < 0:
        raise Rejected("malformed", "`variance` or `stddev` is negative")
    entry.min, entry.max = known.get("min"), known.get("max")
    entry.sum, entry.mean = known.get("sum"), known.get("mean")
    if count:
        entry.sum = entry.mean * count if entry.sum is None and entry.mean is not None else entry.sum
        entry.mean = entry.sum / count if entry.mean is None and entry.sum is not None else entry.mean
    variance = known.get("variance", known["stddev"] * known["stddev"] if "stddev" in known else None)
    entry.m2 = None if variance is None else variance * count
    if "sketch" in message:
        entry.sketch = Sketch.read(message["sketch"])
        if entry.sketch.count != count:
            raise Rejected("sketch", f"the sketch holds {entry.sketch.count} values, and `count` is {count}")
    return entry


class Revisions:
    """The entries of one id that may still count, whatever the order in which they come.

    A higher `rev` takes the place of a lower one, except that a partial one does not replace one of larger `count`.
    """

    def __init__(self):
        self.entries = []

    def add(self, entry):
        """Whether the entry is new."""
        if any(known.rev == entry.rev for known in self.entries) or self._is_dominated(entry):
            return False
        self.entries.append(entry)
        self.entries = [known for known in self.entries if not self._is_dominated(known)]
        return True

    def _is_dominated(self, entry):
        later = [known for known in self.entries if known.rev > entry.rev]
        full = any(not known.partial for known in later)
        return full or entry.partial and any(known.count >= entry.count for known in later)

    def best(self):
        best = None
        for entry in sorted(self.entries, key=lambda entry: entry.rev):
            if best is None or not entry.partial or entry.count >= best.count:
                best = entry
        return best


def merge(entries, percentiles=(50, 95, 99), with_sketch=False):
    """The numbers of one window over all readings of the entries.

    What an entry lacks, the result lacks, and what is beyond all numbers.
    """
    entries = sorted((entry for entry in entries if entry.count), key=lambda entry: (entry.agent, entry.id))
    result = {
        "agents": len({entry.agent for entry in entries}),
        "series": len({(entry.agent, entry.series) for entry in entries}),
        "summaries": len(entries),
        "count": sum(entry.count for entry in entries),
    }
    if any(entry.partial for entry in entries):
        result["partial"] = True
    if not entries:
        return result
    has = lambda name: all(getattr(entry, name) is not None for entry in entries)
    if has("min"):
        result["min"] = min(entry.min for entry in entries)
    if has("max"):
        result["max"] = max(entry.max for entry in entries)
    if has("sum"):
        result["sum"] = _sum(entry.sum for entry in entries)
        result["mean"] = mean = result["sum"] / result["count"]
        if has("m2"):
            # Chan, Golub and LeVeque 1979, for any number of parts.
            m2 = _sum(entry.m2 + entry.count * (entry.mean - mean) * (entry.mean - mean) for entry in entries)
            result["variance"] = m2 / result["count"]
            result["stddev"] = math.sqrt(result["variance"])
    if has("sketch"):
        sketch = Sketch()
        for entry in entries:
            sketch.add(entry.sketch)
        least, greatest = result.get("min", -math.inf), result.get("max", math.inf)
        for percent in percentiles:
            result[f"p{percent:g}"] = sketch.percentile(percent, least, greatest)
        if with_sketch:
            result["sketch"] = sketch.write()
    return {name: value for name, value in result.items() if not isinstance(value, float) or math.isfinite(value)}


def message(group, start, every_ms, rev, entries, **options):
    """The message of kind `fleet` of a group's window, as the jobs and `headwater merge` write it."""
    head = {"v": WIRE_VERSION, "kind": "fleet", "id": group.id(start), "rev": rev, "stream": group.stream, "field": group.field}
    head["labels"] = dict(group.labels)
    return head | {"start": start, "end": start + every_ms} | merge(entries, **options)


@dataclass
class Fleet:
    """Merges texts in memory: for tests, and for a day of files on a laptop."""

    by: tuple
    every_ms: int
    windows: dict = field(default_factory=dict)
    rejected: dict = field(default_factory=dict)

    def add(self, text):
        try:
            known = read(text, self.by, self.every_ms)
        except Rejected as error:
            self.rejected[error.reason] = self.rejected.get(error.reason, 0) + 1
            return
        if known:
            group, start, entry = known
            ids = self.windows.setdefault((group, start), {})
            ids.setdefault((entry.agent, entry.id), Revisions()).add(entry)

    def messages(self, **options):
        for (group, start), ids in sorted(self.windows.items(), key=lambda item: (item[0][1], item[0][0].id(0))):
            entries = [revisions.best() for revisions in ids.values()]
            yield message(group, start, self.every_ms, 0, entries, **options)
