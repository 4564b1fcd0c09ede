"""What both Spark jobs take on the command line, and the session they run in."""

import os
import re

UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text):
    """Milliseconds of `90s`, `15m`, `1h` or `7d`."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if not match:
        raise ValueError(f"{text!r} is no duration such as 15m, 1h or 7d")
    return int(match[1]) * UNITS_MS[match[2]]


def add_common(parser):
    parser.add_argument("--by", default="", help="labels that make a group, such as site or site,line (default: none)")
    parser.add_argument("--every", default="1h", type=duration_ms, help="length of a window (default: 1h)")
    parser.add_argument("--percentiles", default="50,95,99", help="which percentiles (default: 50,95,99)")
    parser.add_argument("--sketch", action="store_true", help="adds the merged sketch to each result")


def merge_options(options):
    """`by`, and the options of `fleet.message`, from parsed ones."""
    by = tuple(name for name in options.by.split(",") if name)
    percentiles = tuple(float(text) for text in options.percentiles.split(",") if text)
    if not all(0 < percent <= 100 for percent in percentiles):
        raise SystemExit("--percentiles have to be above 0 and at most 100")
    return by, {"percentiles": percentiles, "with_sketch": options.sketch}


def session(name):
    """A session with the rule of the merge on every worker. What `spark-submit` or SPARK_* say goes before."""
    from pyspark.sql import SparkSession

    # State in the heap, which is Spark's default, ends the job with the heap.
    store = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    builder = SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC")
    spark = builder.config("spark.sql.streaming.stateStore.providerClass", store).getOrCreate()
    spark.sparkContext.addPyFile(os.path.join(os.path.dirname(os.path.abspath(__file__)), "fleet.py"))
    return spark
