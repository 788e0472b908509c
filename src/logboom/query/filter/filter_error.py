"""The error of a query that can't be read."""

EXCERPT_CHARS_MAX = 60
REST_CHARS_MAX = 30


class FilterError(ValueError):
    """A query is wrong.

    Args:
        text: what was found, and what was expected.
        position: of the character that is wrong, from 0.
        query: all of it.
    """

    def __init__(self, text: str, position: int, query: str = "") -> None:
        super().__init__(f"at character {position + 1}: {text}")
        self.text = text
        self.position = position
        self.query = query

    def located(self) -> str:
        """Return the error on one line, with what stands at its place."""
        rest = self.query[self.position :]
        cut = "…" if len(rest) > REST_CHARS_MAX else ""
        place = f"before {rest[:REST_CHARS_MAX] + cut!r}" if rest else "at the end"
        return f"the query, at character {self.position + 1}, {place}: {self.text}"

    def pointed(self) -> str:
        """Two lines: the query, or the part around the place, and a caret below the place."""
        start = max(0, self.position - EXCERPT_CHARS_MAX // 2)
        shown = self.query[start : start + EXCERPT_CHARS_MAX]
        visible = "".join(character if character.isprintable() else " " for character in shown)
        return f"{visible}\n{' ' * (self.position - start)}^"
