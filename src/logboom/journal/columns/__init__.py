"""Segments as columns: a Parquet file from which each line is rebuilt byte for byte."""
