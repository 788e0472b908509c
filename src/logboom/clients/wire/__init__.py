"""Protocols as clients speak them: dialects, connections, TLS, tokens, and requests to the HTTP API."""
