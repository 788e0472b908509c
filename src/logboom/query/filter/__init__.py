"""The query language: one grammar, one parser and one compiler for search, tail, export, outputs and alerts.

`parser.parse` makes conditions of a text, `compiler.CompiledFilter` checks them on blocks of journal lines.
"""
