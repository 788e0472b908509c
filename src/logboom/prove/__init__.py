"""What `logboom prove` does: clients that remember, strangers and disasters, and the judgement."""
