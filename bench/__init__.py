"""Benchmarks of Logboom, rsyslog and syslog-ng with the same input: `python -m bench --help`."""
