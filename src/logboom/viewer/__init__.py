"""Entries for a reader at a terminal: from the journal, a server or Redis, as lines, tables and files."""
