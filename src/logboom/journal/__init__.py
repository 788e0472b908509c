"""The one durable write path: segments, the group-commit writer, cursors, recovery, retention, verification.

A journal is a folder of segments. `<first sequence, 20 digits>.jsonl` holds one entry a line; line n of a
segment is sequence first + n. Whatever stands in a segment past the next segment's first sequence was never
acknowledged and does not count. Beside each stand its sparse index and its checksums; `segments.manifest` holds
the hash of each segment that was sealed.
"""
