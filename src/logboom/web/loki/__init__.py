"""Loki's API for queries, for Grafana's data source, logcli and libraries. Contract: docs/contracts/loki.md."""
