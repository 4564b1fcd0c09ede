"""What somebody writes who has an hour: the work of `compare`, with values kept in lists. Arguments: ports in and out, window."""

import json
import sys
import threading
import time

sys.dont_write_bytecode = True
from mqtt import Client  # noqa: E402: it lies beside this file

SOURCE, SINK, WINDOW = (int(word) for word in sys.argv[1:])
VALUES, LOCK = {}, threading.Lock()


def publish():
    sink, number = Client(SINK, "script-out"), 0
    threading.Thread(target=lambda: [None for _ in sink.packets()], daemon=True).start()
    while True:
        time.sleep(WINDOW - time.time() % WINDOW)
        with LOCK:
            closed = dict(VALUES)
            VALUES.clear()
        for (topic, field), values in closed.items():
            values.sort()
            summary = {
                "field": field,
                "count": len(values),
                "min": values[0],
                "max": values[-1],
                "mean": sum(values) / len(values),
                "p95": values[-(-95 * len(values) // 100) - 1],
            }
            sink.publish("out/" + topic, json.dumps(summary).encode(), number)
            number += 1


threading.Thread(target=publish, daemon=True).start()
source = Client(SOURCE, "script-in")
source.subscribe("g/+/climate", 1)
for first, body in source.packets():
    if first >> 4 != 3:
        continue
    topic, payload = Client.message(first, body)
    with LOCK:
        for field, value in json.loads(payload).items():
            VALUES.setdefault((topic, field), []).append(value)
    source.send(0x40, Client.identifier(body))
