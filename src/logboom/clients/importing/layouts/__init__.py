"""Layouts of log files: which one a file has, and how its lines become entries."""
