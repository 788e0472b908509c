"""Layouts of log files: recognition of a file's layout, and conversion of its lines into entries."""
