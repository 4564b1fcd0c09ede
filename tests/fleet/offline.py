"""The Python merge without an engine: offline.py FILE [LABEL…] prints the results of a file of messages, and `offline.py FILE.tsv` what
becomes of each message, with the message.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../forwarder/fleet/spark"))
import fleet


def fate(text):
    try:
        return "merged" if fleet.read(text, ("site",), 3_600_000) else "passed"
    except fleet.Rejected as error:
        return error.reason


with open(sys.argv[1]) as lines:
    if sys.argv[1].endswith(".tsv"):
        for line in lines:
            text = line.rstrip("\n").split("\t")[1]
            print(f"{fate(text)}\t{text}")
    else:
        merged = fleet.Fleet(tuple(sys.argv[2:]), 3_600_000)
        for line in lines:
            merged.add(line)
        for result in merged.messages(with_sketch=True):
            print(json.dumps(result, allow_nan=False))
