"""`logboom prove`: recording clients, faulty clients and disasters against a real server, and the verification."""
