"""What is measured: one file a server, all started and stopped the same way."""
