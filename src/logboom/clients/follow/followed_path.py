"""The files that are behind one followed path: the one that is there, and those that rotation moved away.

Each file that the path has held, from its creation or a truncation to the next, is a generation. All that are not read
to their end are held open, so that neither a rename nor a deletion takes them away.

Rotation by rename: the old file is read on until it has been quiet for a while, since writers often keep it open.
Copy and truncate: what was not read yet is in the copy. Rotations that came faster than a look: the folder shows
files with rotated names that were written since the last look.
"""

import os
import stat
import time
from pathlib import Path
from typing import Final

from logboom.clients.follow.position import FileIdentity, FilePlace, identity_of, is_there
from logboom.clients.follow.rotation import Names, RotatedFile, files_of, in_order
from logboom.clients.follow.tailed_file import TailedFile
from logboom.clients.wire.dialect import Say

OPEN_FILES_MAX: Final = 256
"""Generations that are held open at once: a process may open 1,024 files by default. At this number the path is looked
at no more until one of them is read; those that come meanwhile are found by their names."""
FINISHED_MAX: Final = 1024
"""Generations that are remembered after they were read, so that a late line in one is not missed, bounded in memory."""
HEAD_BYTES_ENOUGH: Final = 64
"""First bytes that identify a file whatever its name is."""
CLOCK_MARGIN_NS: Final = 2_000_000_000
"""File systems round times, and the clock of a network file system differs."""


class FollowedPath:
    """A path, and the files whose lines it stands for, in the order in which they are to be read.

    Args:
        path: the path.
        say: reports what can't be read.
    """

    def __init__(self, path: Path, say: Say) -> None:
        self.path = path
        self.old: list[TailedFile] = []
        """Moved away, or copies; oldest first."""
        self.current: TailedFile | None = None
        self.finished: list[FilePlace] = []
        """Generations that were moved away and read to their end; oldest first."""
        self.looked_ns = 0
        """Time before the last look, nanoseconds since the epoch."""
        self.changed = False
        """True when generations came or went since this was set to False."""
        self._say = say
        self.number = 0
        """Generations so far; the newest has this number."""
        self._crowded = False
        self._trouble = ""
        self._ignored: dict[FileIdentity, RotatedFile] = {}

    @property
    def files(self) -> list[TailedFile]:
        """All that are open, oldest first."""
        return [*self.old, *([self.current] if self.current else [])]

    def places(self) -> list[FilePlace]:
        """The position in each generation, oldest first."""
        return [*self.finished, *(file.place for file in self.files)]

    def start(self, *, at_end: bool) -> None:
        """Begin for the first time: rotated files that are there already are none of ours."""
        names = Names(self.path)
        self._ignored = {one.identity: one for one in files_of(self._folders()) if names.match(one.path.name)}
        self.looked_ns = time.time_ns()
        self.refresh()
        if at_end and self.current is not None:
            self.current.move_to_end()

    def resume(self, places: list[FilePlace], looked_ns: int, number: int = 0) -> list[TailedFile | None]:
        """Go on where an earlier run was: find its files again, and those that rotation has made since.

        Args:
            places: as `places` gave them.
            looked_ns: the same of `looked_ns`; 0: not known.
            number: the same of `number`.

        Returns:
            The file of each place; None where it is gone, or was finished.
        """
        self.looked_ns = looked_ns
        self.number = max([number, *(place.number for place in places)])
        self.finished = [place for place in places if place.finished]
        found = [None if place.finished else self._find(place) for place in places]
        for place, file in zip(places, found, strict=True):
            if file is None and not place.finished:
                self._say_lost(place)
        newest = next((file for file in reversed(found) if file is not None), None)
        open_places = [(place, file) for place, file in zip(places, found, strict=True) if not place.finished]
        # a file that is not found may have been written again; and all empty ones look alike
        if self.looked_ns and not all(place.head_bytes and file for place, file in open_places):
            self._add_missed(None, self._since_ns)
        elif newest is not None and newest is not self.current:
            self._add_missed(newest.path, newest.mtime_ns)
        self.looked_ns = time.time_ns()
        self.refresh()
        return found

    def refresh(self) -> None:
        """See what became of the path."""
        if len(self.old) >= OPEN_FILES_MAX:
            self._say_crowded()
            return
        self._crowded = False
        before_ns = time.time_ns()
        try:
            identity = self._identity()
        except OSError as error:
            self._say_trouble(error)
            return  # moved away, and no new one yet: the open file is read on
        self._trouble = ""
        current = self.current
        if current is not None and identity != current.identity:
            if not current.look():  # it was truncated before it was moved away
                self._truncated(current)
            self._retire(current)
            self._add_missed(current.path, self._since_ns)
        elif current is not None and not current.look():
            self._truncated(current)
            self._add_missed(None, self._since_ns)
        elif current is not None and current.has_begun():
            self._add_missed(None, self._since_ns)
        if self.current is None:
            opened = self._add(self.path, 0)
            if (
                opened is not None and opened.identity != identity
            ):  # it was moved away since the look at the folder
                self._add_missed(None, self._since_ns)
        self.looked_ns = before_ns

    @property
    def _since_ns(self) -> int:
        return self.looked_ns - CLOCK_MARGIN_NS

    def look_for_late_lines(self) -> None:
        """Open those again that were finished, and have grown."""
        if not self.finished:
            return
        known = {FileIdentity(place.device, place.inode): place for place in self.finished}
        names, seen = Names(self.path, accepts_numbers=True), set()
        for one in files_of([*self._folders(), *{Path(place.path).parent for place in self.finished}]):
            place = known.get(one.identity)
            if place is None or (place.head_bytes < HEAD_BYTES_ENOUGH and not names.match(one.path.name)):
                continue  # another file, maybe with the number of one that was deleted
            seen.add(one.identity)
            if one.size > place.offset and is_there(one.path, place, renamed=True):
                self._add(one.path, place.offset, place.number)
        self.finished = [place for place in self.finished if FileIdentity(place.device, place.inode) in seen]

    def finish(self, file: TailedFile) -> None:
        """A moved file is read to its end."""
        self.old.remove(file)
        self.finished.append(file.finished_place)
        del self.finished[:-FINISHED_MAX]
        self.changed = True
        file.close()

    def rewritten(self, file: TailedFile) -> None:
        """A moved file is not what it was: it was truncated, or a new copy was written into it."""
        others = [other for other in self.files if other is not file]
        if any(self._is_copy(file, other) for other in others):
            self._say_truncated(file)
            self.old.remove(file)
            file.close()
        else:
            self._truncated(file)
        self.changed = True

    def close(self) -> None:
        """Close all files. Idempotent."""
        for file in self.files:
            file.close()
        self.old, self.current = [], None

    def _identity(self) -> FileIdentity:
        status = self.path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{self.path} is no regular file any more")
        return identity_of(status)

    def _folders(self) -> list[Path]:
        """The folders of rotated files: that of the path, and that of the file that it links to."""
        return [self.path.parent, Path(os.path.realpath(self.path)).parent]

    def _add(self, path: Path, offset: int, number: int = 0) -> TailedFile | None:
        if not number:
            self.number += 1
            number = self.number
        try:
            file = TailedFile(path, offset, number)
        except OSError as error:
            self._say_trouble(error)
            return None
        self._hold(file, current=path == self.path)
        return file

    def _hold(self, file: TailedFile, *, current: bool = False) -> None:
        """Keep a file open. One of its number that was finished was deleted, or is this one."""
        self.finished = [place for place in self.finished if (place.device, place.inode) != file.identity]
        self.changed = True
        if current:
            self.current = file
        else:
            self.old.append(file)

    def _retire(self, file: TailedFile) -> None:
        self.current = None
        self.old.append(file)
        self.changed = True

    def _truncated(self, file: TailedFile) -> None:
        """Begin again, after the rest of what was there before, if there is a copy."""
        for one in reversed(in_order(self._candidates())):
            copy = self._opened(one.path, file.offset, file.number)
            if copy is None:
                continue
            if copy.holds(file):
                self._hold(copy)
                break
            copy.close()
        else:
            self._say_truncated(file)
        self.number += 1
        file.begin_again(self.number)
        self.changed = True

    def _candidates(self) -> list[RotatedFile]:
        """Files that may be a copy: named so, or written since the last look."""
        names, own = Names(self.path), self._own_identity()
        return [
            one
            for one in files_of(self._folders())
            if one.identity != own and (names.match(one.path.name) or one.mtime_ns >= self._since_ns)
        ]

    def _own_identity(self) -> FileIdentity | None:
        try:
            return self._identity()
        except OSError:
            return None

    def _is_known(self, one: RotatedFile) -> bool:
        """True when a file is a generation already, or was there before all of them, and is the same since."""
        if any(file.identity == one.identity and file.is_intact for file in self.files):
            return True
        ignored = self._ignored.get(one.identity)
        if ignored is not None and (ignored.size, ignored.mtime_ns) == (one.size, one.mtime_ns):
            return True
        places = [place for place in self.finished if (place.device, place.inode) == one.identity]
        # one that was empty is like any other: what is there now was not read
        return any(place.head_bytes and is_there(one.path, place, renamed=True) for place in places)

    def _add_missed(self, earlier: Path | None, since_ns: int) -> None:
        """Add generations that came and went between two looks.

        Args:
            earlier: where the last known generation is now: others are named alike, and in the same folder.
            since_ns: they were written since then.
        """
        names = Names(self.path, earlier)
        folders = [*self._folders(), *([earlier.parent] if earlier is not None else [])]
        own = self._own_identity()
        missed = [
            one
            for one in files_of(folders)
            if one.size and one.mtime_ns >= since_ns and names.match(one.path.name) and one.identity != own
        ]
        for one in in_order(missed):
            file = None if self._is_known(one) else self._opened(one.path, 0, 0)
            if file is None:
                continue
            if any(self._is_copy(file, other) for other in self.files) or self._is_finished(one.path):
                file.close()
                continue
            self.finished = [place for place in self.finished if (place.device, place.inode) != one.identity]
            self.number += 1
            file.number = self.number
            self.old.append(file)
            self.changed = True

    @staticmethod
    def _is_copy(file: TailedFile, other: TailedFile) -> bool:
        return file.holds(other) or file.begins(other)

    def _is_finished(self, path: Path) -> bool:
        """True when a file is the copy of a generation that was read."""
        return any(is_there(path, place, renamed=False) for place in self.finished if place.head_bytes)

    def _opened(self, path: Path, offset: int, number: int) -> TailedFile | None:
        try:
            return TailedFile(path, offset, number)
        except OSError as error:
            self._say_trouble(error)
            return None

    def _find(self, place: FilePlace) -> TailedFile | None:
        """Open the file of a place, wherever it is now: the very file, else a copy of it."""
        known = Path(place.path) if place.path else self.path
        files = files_of([*self._folders(), known.parent, *_folders_in(self.path.parent)])
        names = Names(self.path, accepts_numbers=True)
        if place.head_bytes < HEAD_BYTES_ENOUGH:  # another file might have the same few bytes
            files = [one for one in files if names.match(one.path.name)]
        path = self._find_very(place, known, files)
        if path is None and place.head_bytes:
            taken = {file.identity for file in self.files}
            copies = [one for one in reversed(in_order(files)) if one.identity not in taken]
            copies.sort(key=lambda one: not names.match(one.path.name))
            path = next((one.path for one in copies if is_there(one.path, place, renamed=False)), None)
        if path is None:
            return None
        return self._add(self.path if _same(path, self.path) else path, place.offset, place.number)

    def _find_very(self, place: FilePlace, known: Path, files: list[RotatedFile]) -> Path | None:
        identity = FileIdentity(place.device, place.inode)
        hints = [self.path, *[one.path for one in files if one.identity == identity], known]
        return next((one for one in hints if is_there(one, place, renamed=True)), None)

    # --- reports ---

    def _say_truncated(self, file: TailedFile) -> None:
        unread = file.size_seen - file.offset
        if unread > 0:
            self._say(
                f"❌ {file.path} was truncated, and there is no copy of it in its folder: {unread} bytes from "
                f"byte {file.offset} on are lost{self._compressed_hint(file.offset)}"
            )
        elif file.offset:
            self._say(
                f"⚠️ {file.path} was truncated at byte {file.offset}; all that had been seen of it was read"
                f"{self._compressed_hint(file.offset)}"
            )

    def _say_lost(self, place: FilePlace) -> None:
        name, after = place.path or self.path, f"what was written to it after byte {place.offset}"
        identity = FileIdentity(place.device, place.inode)
        hint = self._compressed_hint(place.offset)
        if any(one.identity == identity for one in files_of([*self._folders(), Path(name).parent])):
            self._say(
                f"⚠️ {name} was truncated while it was not followed; {after}, if anything, is lost{hint}"
            )
        else:
            self._say(f"❌ {name}: the file that was followed is gone; {after} is lost{hint}")

    def _compressed_hint(self, offset: int) -> str:
        """The compressed file that may hold what can't be read here, for a report."""
        names = Names(self.path)
        found = [one for one in files_of(self._folders()) if names.match_compressed(one.path.name)]
        if not found:
            return ""
        newest = in_order(found)[-1].path
        return f", unless {newest} has them: decompress it, and send what follows byte {offset}"

    def _say_crowded(self) -> None:
        if not self._crowded:
            self._say(
                f"⚠️ {self.path}: {OPEN_FILES_MAX} rotated files are not read yet; later ones are opened when these are"
            )
        self._crowded = True

    def _say_trouble(self, error: OSError) -> None:
        """Report, once, what keeps a file from being read; a missing one is no trouble."""
        text = f"{error.filename or self.path}: {error.strerror or error}"
        if not isinstance(error, FileNotFoundError) and text != self._trouble:
            self._say(f"⚠️ can't read {text}")
            self._trouble = text


def _folders_in(folder: Path) -> list[Path]:
    """Folders where rotation may have moved files to."""
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False
