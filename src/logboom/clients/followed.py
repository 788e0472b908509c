"""The files that are behind one followed path: the one that is there, and those that rotation moved away.

Rotation by rename: the old file is read on until it has been quiet for a while, since writers often keep it
open. Copy and truncate: what was not read yet is in the copy.
"""

from pathlib import Path
from typing import Final

from logboom.clients.dialect import Say
from logboom.clients.position import Place, find, identity_of, newer
from logboom.clients.tailed import TailedFile

OLD_FILES_MAX: Final = 16
"""Files of earlier rotations that are read at once; more of them are dropped, oldest first, and told."""


class FollowedPath:
    """A path, and the files whose lines it stands for, in the order in which they are to be read.

    Args:
        path: the path.
        say: told about rotations and about what is missing.
    """

    def __init__(self, path: Path, say: Say) -> None:
        self.path = path
        self.old: list[TailedFile] = []
        """Moved away, or copies; oldest first."""
        self.current: TailedFile | None = None
        self._say = say

    @property
    def files(self) -> list[TailedFile]:
        """All of them, oldest first."""
        return [*self.old, *([self.current] if self.current else [])]

    def places(self) -> list[Place]:
        """How far each of them was read."""
        return [file.place for file in self.files]

    def resume(self, places: list[Place]) -> list[TailedFile | None]:
        """Go on where an earlier run was: find its files again, and those that rotation has made since.

        Returns:
            The file of each place; None where it is gone.
        """
        paths = [find(self.path, place) for place in places]
        files = [self._add(path, place.offset) for path, place in zip(paths, places, strict=True) if path]
        if None in paths:
            self._say(f"⚠️ {self.path}: the file that was followed is gone; what was not sent of it is lost")
        newest = next((path for path in reversed(paths) if path), None)
        if newest is not None and newest != self.path:
            for path in newer(self.path, newest):
                self._add(path, 0)
        self.refresh()
        found = iter(files)
        return [next(found) if path else None for path in paths]

    def start_at_end(self) -> None:
        """Only what is written from now on counts."""
        self.refresh()
        if self.current is not None:
            self.current.move(self.current.size)

    def refresh(self) -> None:
        """See what became of the path."""
        try:
            identity = identity_of(self.path.stat())
        except OSError:
            return  # moved away, and no new one yet: the open file is read on
        if self.current is not None and identity != self.current.identity:
            self._retire(self.current)
        if self.current is None:
            self._add(self.path, 0)
        elif not self.current.is_intact:
            self._truncated(self.current)

    def drop(self, file: TailedFile) -> None:
        """A moved file is read to its end."""
        self.old.remove(file)
        file.close()

    def close(self) -> None:
        """Close all files. Idempotent."""
        for file in self.files:
            file.close()
        self.old, self.current = [], None

    def _add(self, path: Path, offset: int) -> TailedFile | None:
        try:
            file = TailedFile(path, offset)
        except OSError as error:
            self._say(f"⚠️ can't read {path}: {error.strerror}")
            return None
        if path == self.path:
            self.current = file
        else:
            self._keep(file)
        return file

    def _retire(self, file: TailedFile) -> None:
        self.current = None
        self._keep(file)

    def _keep(self, file: TailedFile) -> None:
        self.old.append(file)
        if len(self.old) > OLD_FILES_MAX:
            self._say(f"⚠️ {self.path}: rotated faster than it can be sent; a file is left out")
            self.drop(self.old[0])

    def _truncated(self, file: TailedFile) -> None:
        """Begin anew, after the rest of what was there before, if there is a copy."""
        copy = find(self.path, file.place)
        if copy is not None and copy != self.path:
            self._add(copy, file.offset)
        elif file.offset:
            self._say(
                f"⚠️ {self.path} was truncated, and there is no copy beside it; its unsent lines are lost"
            )
        file.move(0)
