"""The measured servers: one file per server, all started and stopped in the same way."""
