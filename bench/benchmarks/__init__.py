"""One file a benchmark; each returns raw trials, and knows its own tables."""
