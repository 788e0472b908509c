"""SQL over a journal: each query runs with DuckDB in a process of its own that can do nothing but read the journal."""
