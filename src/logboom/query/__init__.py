"""Questions to a journal: matching, search, counts over time, series of fields, field discovery, export.

Reads only. What writes, recovers and verifies is in `journal/`.
"""
