"""Devices that count their lines: gaps, reboots, and the state of each."""
