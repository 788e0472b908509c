"""Framings that several receivers share, sans-IO: lines, lines of JSON, objects, frames, the token line."""
