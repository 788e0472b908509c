"""More than one machine: entries are replicated by a NATS JetStream cluster, and followed into local copies."""
