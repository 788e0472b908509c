"""What reads the journal; `registry` lists them. Outputs are views: each has a durable position of its own."""
