"""Merges the summaries of a fleet as they come, with Spark Structured Streaming: ../README.md says how to run it.

One aggregation, because chained ones drop what comes a day late: the state of a window is the set of its summaries, and
each change makes a new result of a higher `rev`, the number of the batch. A batch that is run again after a crash says the
same under the same `(id, rev)`.
"""

import argparse
import json
import sys
import time

import options as common


def arguments(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    where = "kafka:BROKERS/TOPIC or files:DIRECTORY"
    parser.add_argument("--from", dest="source", required=True, help=where)
    parser.add_argument("--to", required=True, help="kafka:BROKERS/TOPIC, text:DIRECTORY or parquet:DIRECTORY")
    parser.add_argument("--checkpoint", required=True, help="directory for the job's state")
    parser.add_argument("--lateness", default="7d", type=common.duration_ms, help="how late a summary may come (default: 7d)")
    parser.add_argument(
        "--ahead", default="10m", type=common.duration_ms, help="a summary that begins later than so much after now is refused (default: 10m)"
    )
    parser.add_argument("--once", action="store_true", help="takes what is there, and ends")
    parser.add_argument("--files-per-batch", type=int, default=100, help="bound of a batch (default: 100)")
    parser.add_argument("--records-per-batch", type=int, default=100_000, help="bound of a batch (default: 100,000)")
    common.add_common(parser)
    return parser.parse_args(words)


def place(text, kinds):
    kind, _, rest = text.partition(":")
    if kind not in kinds or not rest or (kind == "kafka" and "/" not in rest):
        raise SystemExit(f"{text!r} is none of {', '.join(kinds)}, such as kafka:localhost:9092/headwater.summary")
    return kind, rest


def texts(spark, options):
    kind, rest = place(options.source, ("kafka", "files"))
    if kind == "files":
        reader = spark.readStream.option("maxFilesPerTrigger", options.files_per_batch).option("recursiveFileLookup", "true")
        return reader.text(rest).select("value")
    brokers, topic = rest.rsplit("/", 1)
    reader = spark.readStream.format("kafka").option("kafka.bootstrap.servers", brokers).option("subscribe", topic)
    reader = reader.option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", options.records_per_batch)
    return reader.load().selectExpr("CAST(value AS STRING) AS value")


def readings_of(by, every_ms, ahead_ms):
    """The function from a message's text to (reason of the refusal, group, start in s, what the merge needs)."""

    def read(text):
        import fleet

        try:
            known = fleet.read(text, by, every_ms)
        except fleet.Rejected as error:
            return (error.reason, None, None, None)
        if known is None:
            return None
        group, start, entry = known
        # An agent whose clock is ahead would end the windows of all others.
        if start > time.time() * 1000 + ahead_ms:
            return ("future", None, None, None)
        key = json.dumps([group.stream, group.field, group.labels])
        sketch = entry.sketch and entry.sketch.write()
        fields = {name: value for name, value in vars(entry).items() if value is not None} | ({"sketch": sketch} if sketch else {})
        return (None, key, start / 1000, json.dumps(fields, sort_keys=True))

    return read


def results_of(every_ms, merge_options):
    """The function from a window's group, start and summaries to the text of its result, at rev 0."""

    def result(key, start_ms, texts):
        import fleet

        ids = {}
        for text in texts:
            fields = json.loads(text)
            if "sketch" in fields:
                fields["sketch"] = fleet.Sketch.read(fields["sketch"])
            entry = fleet.Entry(**fields)
            ids.setdefault((entry.agent, entry.id), fleet.Revisions()).add(entry)
        stream, name, labels = json.loads(key)
        group = fleet.Group(stream, name, tuple(map(tuple, labels)))
        entries = [revisions.best() for revisions in ids.values()]
        return json.dumps(fleet.message(group, start_ms, every_ms, 0, entries, **merge_options))

    return result


def write_batch(options):
    kind, rest = place(options.to, ("kafka", "text", "parquet"))

    def write(batch, number):
        from pyspark.sql import functions as f

        # The number of the batch is the revision: it rises, and a batch that runs again has the same.
        results = batch.select("key", f.regexp_replace("value", '"rev": 0,', f'"rev": {number},').alias("value"))
        if kind == "kafka":
            brokers, topic = rest.rsplit("/", 1)
            results.write.format("kafka").option("kafka.bootstrap.servers", brokers).option("topic", topic).save()
        elif kind == "text":
            results.select("value").write.mode("overwrite").text(f"{rest}/batch={number}")
        else:
            results.write.mode("overwrite").parquet(f"{rest}/batch={number}")

    return write


def results(spark, options):
    """The streaming frame of `key` and `value`, a row for each window that a batch has changed."""
    from pyspark.sql import functions as f

    by, merge_options = common.merge_options(options)
    every_s = options.every // 1000
    form = "reason string, key string, start double, entry string"
    read = f.udf(readings_of(by, options.every, options.ahead), form).asNondeterministic()
    result = f.udf(results_of(options.every, merge_options), "string")
    rows = texts(spark, options).where("value IS NOT NULL").select(read("value").alias("row")).where("row IS NOT NULL")
    rows = rows.where("row.reason IS NULL").select("row.key", f.timestamp_seconds("row.start").alias("start"), "row.entry")
    windows = rows.withWatermark("start", f"{options.lateness // 1000} seconds").groupBy(
        "key", f.window("start", f"{every_s} seconds").alias("window")
    )
    merged = windows.agg(f.collect_set("entry").alias("entries"))
    start_ms = (f.unix_seconds("window.start") * 1000).cast("long")
    return merged.select("key", result("key", start_ms, "entries").alias("value"))


def main(words):
    options = arguments(words)
    spark = common.session("headwater-fleet")
    writer = results(spark, options).writeStream.outputMode("update").foreachBatch(write_batch(options))
    writer = writer.option("checkpointLocation", options.checkpoint)
    query = (writer.trigger(availableNow=True) if options.once else writer).start()
    try:
        query.awaitTermination()
    except KeyboardInterrupt:
        query.stop()
    late = sum(s["numRowsDroppedByWatermark"] for p in query.recentProgress for s in p["stateOperators"])
    print(f"batches: {len(query.recentProgress)}; summaries that came after --lateness: {late}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
