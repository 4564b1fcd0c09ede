#!/usr/bin/env python3
"""Writes the inputs of the cases `others-*` with what other people's libraries encode. By hand, after

    pip install cbor2 influxdb-client influxdb pysparkplug

It needs a folder of cases as its argument. The test of the cases then reads what was written.
"""
import datetime
import decimal
import json
import math
import pathlib
import sys

CASES = pathlib.Path(sys.argv[1])
TIME = datetime.datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=datetime.timezone.utc)


def write(case, messages):
    lines = []
    for topic, payload in messages:
        member = {"hex": payload.hex()} if isinstance(payload, bytes) else {"payload": payload}
        lines.append(json.dumps({"topic": topic} | member) + "\n")
    (CASES / case / "input.jsonl").write_text("".join(lines))


def cbor():
    import cbor2

    whole = {"time": TIME, "temp": 21.5, "hum": 48, "on": True, "none": None, "nested": {"list": [1, 2.25]}}
    yield "dev/a", cbor2.dumps(whole)
    yield "dev/a", cbor2.dumps(whole, canonical=True)
    yield "dev/a", cbor2.dumps(whole | {"time": TIME}, datetime_as_timestamp=True)
    yield "dev/a", cbor2.dumps({"time": TIME, "decimal": decimal.Decimal("-273.15"), "large": 2**70, "third": 1 / 3})
    yield "dev/a", cbor2.dumps({"time": TIME, "temp": math.nan, "hum": 49, "blob": b"\x01\x02", "text": "ok"})
    yield "dev/a", cbor2.dumps({"time": "noon", "temp": 1})


def influx():
    from influxdb import line_protocol
    from influxdb_client import Point, WritePrecision

    point = Point("my house").tag("room", "north, left").tag("sensor=1", "a b").field("temp", 21.5).field("n", 3)
    point = point.field("ok", True).field("text", 'he said "hi" \\').time(TIME, WritePrecision.NS)
    yield "lines/a", point.to_line_protocol()
    yield "lines/a", Point("cpu").tag("cpu", "cpu0").field("usage", 1e-7).to_line_protocol()
    old = [{"measurement": "cpu", "tags": {"host": "a", "cpu": "cpu0"}, "time": TIME, "fields": {"usage": 12.25, "n": 2}}]
    yield "lines/a", line_protocol.make_lines({"points": old * 2})


for name, messages in [("others-cbor", cbor), ("others-influx", influx)]:
    write(name, messages())
