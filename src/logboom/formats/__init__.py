"""Pure conversions between payload bytes and JSON entries; levels and times. No I/O, no clock."""
