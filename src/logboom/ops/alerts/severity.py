"""Severities of alerts."""

from typing import Final

CRITICAL: Final = "critical"
WARNING: Final = "warning"
