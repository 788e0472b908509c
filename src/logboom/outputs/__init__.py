"""What reads the journal: one file an output. Outputs are views: each has a durable position of its own."""
