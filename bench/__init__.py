"""Logboom beside rsyslog and syslog-ng, on the same input: `python -m bench --help`."""
