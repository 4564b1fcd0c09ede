"""Copies a local file into HDFS: put.py FILE hdfs://…"""

import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
path = spark._jvm.org.apache.hadoop.fs.Path
to = path(sys.argv[2])
to.getFileSystem(spark._jsc.hadoopConfiguration()).copyFromLocalFile(path(sys.argv[1]), to)
