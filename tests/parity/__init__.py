"""Every table of projects built on DuckDB and on Spark, compared row for row: ``python -m tests.parity``."""
