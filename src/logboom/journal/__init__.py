"""The one durable write path: segments, the group-commit writer, cursors, recovery, retention, verification.

A journal is a folder of segments. `<first sequence, 20 digits>.jsonl` holds one entry per line; line n of a
segment has sequence first + n. Lines past the next segment's first sequence were never acknowledged and are
ignored. Each segment has a sparse index and a file of checksums; `segments.manifest` holds the hash of each
sealed segment.
"""
