"""What Spark's stream reads of a summary from now, from a clock that is a day ahead, and of what is no summary."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../forwarder/fleet/spark"))
import stream

HOUR_MS = 3_600_000
SUMMARY = {"v": 1, "kind": "summary", "id": "x", "rev": 0, "agent": "a", "stream": "c", "series": "x/temp", "count": 1, "mean": 1.0}
read = stream.readings_of(("site",), HOUR_MS, ahead_ms=600_000)
now = int(time.time() * 1000)
for begins, reason in ((now - 24 * HOUR_MS, None), (now, None), (now + 24 * HOUR_MS, "future")):
    row = read(json.dumps(SUMMARY | {"start": begins // HOUR_MS * HOUR_MS, "end": begins // HOUR_MS * HOUR_MS + 60_000}))
    assert row[0] == reason and (row[1] is None) == (reason is not None), row
assert read("{") == ("malformed", None, None, None)
assert read(json.dumps(SUMMARY | {"kind": "alert"})) is None
