"""The wire protocols, sans-IO: bytes in, batches and replies out. One file a protocol."""
