"""LogQL, the query language of Loki.

`logql_parser` makes a tree of a text, `logql_compiler` a filter of a selection of lines, `evaluation` series of counts.
"""
