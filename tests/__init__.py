"""The tests. A package, so that no package of this name that a library brings along is found instead."""
