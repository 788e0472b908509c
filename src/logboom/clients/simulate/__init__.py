"""Simulated devices, sensors and applications."""
