"""The wire protocols, sans-IO: bytes in, batches and replies out; `registry` lists them."""
