"""Files, links and directories of a machine, as far as its bundle tells. What it does not tell raises CouldNotLook."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from checks.bundle import Bundle
from checks.contents import matches
from checks.refusals import NotGathered, ReadFailed
from checks.source import Attributes, File

_MOST_LINKS = 40  # as the kernel's own limit (MAXSYMLINKS)


class BundleFiles:
    """What stands at a path. "Not there" is an answer only where the gather looked."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._paths = bundle.paths()

    def text(self, path: str) -> str | None:
        """The whole text of a file; None when it is not there. Raises ReadFailed when only some lines were kept."""
        covering = [one for one in self._bundle.sources or () if _covers(one, path)]
        if covering and all(isinstance(one, File) and (one.keep or one.drop) for one in covering):
            raise ReadFailed(
                f"{self._bundle.machine}: the bundle holds only some lines of {path} (secrets stay on the machine), "
                "so nothing can be said of the rest"
            )
        try:
            return self._bundle.text(path)
        except NotGathered:
            raise NotGathered(f"{self._bundle.machine}: its bundle does not hold {path}") from None

    def exists(self, path: str) -> bool:
        """Whether anything is there."""
        found = [self._look(read, path) for read in (self._bundle.text, self._bundle.link, self._bundle.names)]
        return self._is_known_directory(path) or path in self._paths or self._one_of(found, path)

    def is_file(self, path: str) -> bool:
        """Whether a file is there."""
        found = self._look(self._bundle.text, path)
        return not self._is_known_directory(path) and (self._is_read(path) or self._one_of([found], path))

    def is_directory(self, path: str) -> bool:
        """Whether a directory is there."""
        if self._is_known_directory(path):
            return True
        if self._is_read(path):
            return False
        return self._one_of([self._look(self._bundle.names, path)], path)

    def is_link(self, path: str) -> bool:
        """Whether a symbolic link is there."""
        return self._one_of([self._look(self._bundle.link, path)], path)

    def names(self, path: str) -> tuple[str, ...] | None:
        """The names in a directory; None when there is none."""
        try:
            return self._bundle.names(path)
        except NotGathered:
            raise NotGathered(f"{self._bundle.machine}: its bundle does not tell what lies in {path}") from None

    def target(self, path: str) -> str:
        """Where a path leads, all links on the way followed. Only in sysfs is every link on the way known."""
        if not path.startswith("/sys/") or not self.is_link(path):
            raise NotGathered(f"{self._bundle.machine}: its bundle does not tell where {path} leads")
        resolved, rest, left = "/", path.strip("/").split("/"), _MOST_LINKS
        while rest:
            step = posixpath.normpath(posixpath.join(resolved, rest.pop(0)))
            target = self._bundle.link(step) if self._look(self._bundle.link, step) else None
            if target is None:
                resolved = step
                continue
            left -= 1
            if not left:
                raise ReadFailed(f"{self._bundle.machine}: too many links on the way to {path}")
            resolved = "/" if target.startswith("/") else posixpath.dirname(step)
            rest = [*target.strip("/").split("/"), *rest]
        return resolved

    def _is_known_directory(self, path: str) -> bool:
        """Whether something was read in it."""
        start = path.rstrip("/") + "/"
        return bool(self._look(self._bundle.names, path)) or any(one.startswith(start) for one in self._paths)

    def _is_read(self, path: str) -> bool:
        """Whether it was read as a file, even where it has no value now (the kernel says EINVAL)."""
        return path in self._paths and not self._look(self._bundle.link, path)

    def _look(self, read: Callable[[str], object | None], path: str) -> bool | None:
        """Whether it is there by this reading; None where nobody looked. Raises what was refused."""
        try:
            return read(path) is not None
        except NotGathered:
            return None

    def _one_of(self, found: list[bool | None], path: str) -> bool:
        if not any(one is not None for one in found):
            raise NotGathered(f"{self._bundle.machine}: its bundle does not tell whether {path} is there")
        return any(found)


def _covers(source: object, path: str) -> bool:
    return isinstance(source, (File, Attributes)) and matches(path, source.path)
