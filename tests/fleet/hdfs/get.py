"""Reads the results back from HDFS: get.py hdfs://… DAY STREAM"""

import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
hdfs, day, stream = sys.argv[1:]
frames = (spark.read.text(f"{hdfs}/day"), day), (spark.read.parquet(f"{hdfs}/out").select("value"), stream)
for frame, name in frames:
    with open(name, "w") as file:
        file.writelines(row.value + "\n" for row in frame.collect())
