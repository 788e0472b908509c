"""Alerts: rules over the state of the server, their states over time, and notifications."""
