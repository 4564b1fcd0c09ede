"""The Python merge without an engine: offline.py FILE [LABEL…] prints the results of a file of messages."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../forwarder/fleet/spark"))
import fleet

merged = fleet.Fleet(tuple(sys.argv[2:]), 3_600_000)
with open(sys.argv[1]) as lines:
    for line in lines:
        merged.add(line)
for result in merged.messages(with_sketch=True):
    print(json.dumps(result))
