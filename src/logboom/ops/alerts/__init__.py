"""Alerts: rules over what operations know, their states over time, and telling people."""
