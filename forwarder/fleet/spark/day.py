"""Merges a day of files with Spark's filter, map, reduceByKey and saveAsTextFile: a place to begin from.

    spark-submit day.py --by site 'out/kind=summary/date=2026-11-29' merged/2026-11-29
"""

import argparse
import json
import sys

import options as common


def main(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="directory or pattern of JSON lines, .gz too; hdfs://… as well")
    parser.add_argument("to", help="directory for the results; it must not exist")
    common.add_common(parser)
    options = parser.parse_args(words)
    by, merge_options = common.merge_options(options)
    every_ms = options.every
    spark = common.session("headwater-day")
    refused = spark.sparkContext.accumulator(0)

    def pairs(text):
        import fleet

        try:
            known = fleet.read(text, by, every_ms)
        except fleet.Rejected:
            refused.add(1)
            return []
        if known is None:
            return []
        group, start, entry = known
        return [((group, start, entry.agent, entry.id), [entry])]

    def text(item):
        import fleet

        (group, start), entries = item
        return json.dumps(fleet.message(group, start, every_ms, 0, entries, **merge_options))

    def best(entries):
        import fleet

        revisions = fleet.Revisions()
        for entry in entries:
            revisions.add(entry)
        return [revisions.best()]

    lines = spark.sparkContext.textFile(options.source)
    # Of each id the revision that counts, then all ids of a window together.
    ids = lines.filter(bool).flatMap(pairs).reduceByKey(lambda a, b: a + b).mapValues(best)
    windows = ids.map(lambda item: (item[0][:2], item[1])).reduceByKey(lambda a, b: a + b)
    windows.map(text).saveAsTextFile(options.to)
    print(f"refused: {refused.value}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
