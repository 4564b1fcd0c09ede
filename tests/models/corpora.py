"""Trains and judges on labelled recordings, corpus by corpus, and prints a table for each.

Recordings are those that `headwater evaluate` reads. The class of an anomaly is the label's own, or the last part of the
recording's name where a corpus names its faults so (`T_air_bad_connection.csv`). Series of a row are the columns.
"""

import csv
import json
import pathlib
import subprocess
import sys
import tempfile

WINDOWS = {"skab": "10s", "asnx": "1h"}
FOLDS = {"skab": 1000, "asnx": 5}


def faults(name, label):
    """What went wrong in each window."""
    own = label.get("classes")
    if own:
        return own
    if label["corpus"] != "asnx":
        return ["fault"] * len(label["windows"])
    parts = pathlib.PurePath(name).stem.split("_")
    return ["_".join(parts[2:])] * len(label["windows"])


def config(columns, window):
    over = ", ".join(f'"*/{column}"' for column in columns)
    return f"""
[sources.recorded]
type = "mqtt"
url = "mqtt://127.0.0.1"
topics = ["r/+"]
series = "r/{{field}}"
[streams.main]
window = {{ type = "tumbling", size = "{window}" }}
aggregates = ["mean", "stddev", "min", "max", "delta"]
[[streams.main.detectors]]
type = "model"
file = "none.model"
over = [{over}]
[outputs.none]
type = "mqtt"
url = "mqtt://127.0.0.1"
"""


def main(program, folder):
    folder = pathlib.Path(folder).resolve()
    labels = json.loads((folder / "labels.json").read_text())
    for corpus, window in WINDOWS.items():
        own = {name: label for name, label in labels["series"].items() if label["corpus"] == corpus}
        if not own:
            continue
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            first = folder / next(iter(own))
            with open(first, encoding="utf-8") as file:
                columns = next(csv.reader(file))[1:]
            for name, label in own.items():
                label["classes"] = faults(name, label)
                label["probation"] = 0
            (place / "labels.json").write_text(json.dumps({"format": "anomaly-labels-1", "series": own}))
            (place / "c.toml").write_text(config(columns[:8], window))
            for model in ["logistic", "svm", "forest"]:
                print(f"== {corpus}: {model}, windows of {window}", flush=True)
                command = [program, "-c", place / "c.toml", "train", "--labels", place / "labels.json"]
                command += ["--data", folder, "--stream", "main", "--model", model]
                command += ["--folds", str(FOLDS[corpus])]
                done = subprocess.run(command, capture_output=True, text=True)
                print(done.stdout or done.stderr, flush=True)


main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2])
