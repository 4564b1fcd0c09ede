#!/usr/bin/env python3
"""Writes the inputs of the cases `others-*` with what other people's libraries encode. By hand, after

    pip install cbor2 influxdb-client influxdb pysparkplug
    npm install sparkplug-payload

It needs a folder of cases as its argument, and NODE_PATH for node. The test of the cases then reads what was written.
"""
import datetime
import decimal
import json
import math
import pathlib
import subprocess
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


def sparkplug():
    """A node in Python that leaves out the kinds in its data, and one in JavaScript with templates and units."""
    from pysparkplug import DataType, DBirth, DData, DDeath, Metric, NBirth, NData, NDeath

    now = 1700000000000
    metric = lambda name, kind, value, alias=None: Metric(now, name, kind, value=value, alias=alias)
    boiler = [metric("Temp", DataType.FLOAT, 21.5, 5), metric("Offset", DataType.INT32, -5, 6), metric("Count", DataType.UINT64, 2**63, 7)]
    topic = "spBv1.0/plant/{}/line1".format
    alias_only = lambda alias, kind, value: Metric(now + 1000, None, kind, value=value, alias=alias)
    yield topic("DDATA") + "/boiler", DData(now, 9, (alias_only(5, DataType.FLOAT, 22.5),)).encode()
    yield topic("NBIRTH"), NBirth(now, 0, (metric("bdSeq", DataType.INT64, 1), metric("Node Control/Rebirth", DataType.BOOLEAN, False), metric("Level", DataType.INT16, -3))).encode(include_dtypes=True)
    yield topic("DBIRTH") + "/boiler", DBirth(now, 1, tuple(boiler)).encode(include_dtypes=True)
    yield topic("DDATA") + "/boiler", DData(now + 1000, 2, (alias_only(5, DataType.FLOAT, 22.5), alias_only(6, DataType.INT32, -6))).encode()
    yield topic("NDATA"), NData(now + 1000, 3, (metric("Level", DataType.INT16, -4),)).encode()
    yield topic("DDATA") + "/boiler", DData(now + 1000, 4, (Metric(now + 2000, None, DataType.FLOAT, alias=5, is_null=True), alias_only(9, DataType.FLOAT, 1.0))).encode()
    yield topic("DDEATH") + "/boiler", DDeath(now + 3000, 5).encode()
    yield topic("NDEATH"), NDeath(now + 4000, metric("bdSeq", DataType.INT64, 1)).encode()
    yield topic("NCMD"), b""
    yield "spBv1.0/STATE/scada", '{"online": true, "timestamp": 1700000000000}'
    yield topic("NDATA"), b"\x08\x80"
    code = """
        const { encodePayload } = require('sparkplug-payload').get('spBv1.0');
        const time = 1700000000000;
        const motor = { name: 'Motor', timestamp: time, type: 'Template', value: { isDefinition: false, templateRef: 'motor', metrics: [
            { name: 'Speed', type: 'Double', value: 1450.5 }, { name: 'On', type: 'Boolean', value: true } ] } };
        const tank = { name: 'Tank', timestamp: time, type: 'Int8', value: -7, properties: { engUnit: { type: 'String', value: 'cm' } } };
        const payload = { timestamp: time, seq: 0, metrics: [ motor, tank ] };
        process.stdout.write(Buffer.from(encodePayload(payload)).toString('hex'));
    """
    written = subprocess.run(["node", "-e", code], check=True, capture_output=True, text=True).stdout
    yield "spBv1.0/plant/NBIRTH/line2", bytes.fromhex(written)


for name, messages in [("others-cbor", cbor), ("others-influx", influx), ("others-sparkplug", sparkplug)]:
    write(name, messages())
