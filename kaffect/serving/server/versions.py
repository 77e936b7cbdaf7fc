"""The versions of a model that can be served: loaded at the start, looked for while it runs.

Serves the engineer: a version that is added is loaded and tried beside the others and then
takes its place; one that is removed answers what it was asked before; a damaged one is
reported in one line and stops nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaffect.errors import KaffectError
from kaffect.serving.server.servable import Models, Servable

LOG = logging.getLogger(__name__)
_MOST_DIGITS = 18
# Name, number, folder, accepted hashes -> the version, loaded and tried.
Loader = Callable[[str, int, Path, Collection[str]], Servable]


@dataclass(frozen=True)
class _Loaded:
    state: Any
    servable: Servable


def numbered(root: Path) -> tuple[dict[int, Path], list[str]]:
    """The version folders below `root` by number, and what is wrong with others."""
    found, wrong = {}, []
    for path in sorted(root.iterdir()):
        name = path.name
        if not path.is_dir() or not name.isnumeric():
            continue
        plain = name.isascii() and name.isdecimal() and len(name) <= _MOST_DIGITS
        if plain and str(int(name)) == name:
            found[int(name)] = path
        else:
            expected = f"1 to {_MOST_DIGITS} digits without a leading zero"
            wrong.append(
                f"{root}: no version of a model. Expected {expected}. Received: {name[:40]!r}"
            )
    return dict(sorted(found.items())), wrong


class Versions:
    """The versions in one model's folder.

    Args:
        name: of the model.
        root: has a folder for each version, named by its number.
        load: loads one version.
        newest_only: the newest that can be served, and no older one.
        sha256: of the manifests that are accepted; all, where there are none.
        report: is told what is wrong with a folder, in one line.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        load: Loader,
        newest_only: bool = False,
        sha256: Collection[str] = (),
        report: Callable[[str], None] = LOG.error,
    ) -> None:
        self.name = name
        self._root, self._load, self._sha256 = root, load, sha256
        self._newest_only, self.report = newest_only, report
        self._loaded: dict[int, _Loaded] = {}
        self._refused: dict[Any, Any] = {}

    @property
    def servables(self) -> list[Servable]:
        """What can be served, the oldest first."""
        return [self._loaded[number].servable for number in sorted(self._loaded)]

    def look(self) -> bool:
        """Load what is new, drop what is gone; say whether anything has changed."""
        before = self.servables
        try:
            found, wrong = numbered(self._root)
        except OSError as error:
            found, wrong = {}, [f"{self._root}: cannot be read: {error.strerror}"]
        if not found and not wrong:
            wrong = [
                f"{self._root}: no version of a model. Expected folders named by numbers, each "
                f"written by 'kaffect export' ({self._root}/1/saved_model.pb)"
            ]
        for line in wrong:
            self._refuse(line, None, line)
        kept: dict[int, _Loaded] = {}
        for number in sorted(found, reverse=True):
            version = self._version(number, found[number])
            if version is not None:
                kept[number] = version
                if self._newest_only:
                    break
        self._loaded = kept
        return self.servables != before

    def _version(self, number: int, path: Path) -> _Loaded | None:
        before = self._loaded.get(number)
        state = _state(path)
        if before is not None and before.state == state:
            return before
        if self._refused.get(number) == state:
            return before
        try:
            loaded = _Loaded(state, self._load(self.name, number, path, self._sha256))
        except KaffectError as error:
            # What was loaded before the folder changed is still good.
            self._refuse(number, state, str(error))
            return before
        self._refused.pop(number, None)
        return loaded

    def _refuse(self, key: Any, state: Any, line: str) -> None:
        if key not in self._refused or self._refused[key] != state:
            self._refused[key] = state
            self.report(line)


def _state(folder: Path) -> Any:
    """Names, sizes and times of a version's files: another state is worth another look."""
    files = []
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.stat()
        except OSError:
            continue
        files.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(files)


async def watch(
    models: Models,
    versions: Sequence[Versions],
    seconds: float,
    settled: Callable[[], None] = lambda: None,
) -> None:
    """Look for other versions every so many seconds, and serve them; never ends.

    `settled` is called at the look after a change, when former versions have mostly answered.
    """
    replaced = False
    while True:
        await asyncio.sleep(seconds)
        if replaced:
            replaced = False
            settled()
        for model in versions:
            try:
                changed = await asyncio.to_thread(model.look)
            except Exception:  # a folder may do what it likes, the server goes on
                LOG.exception("looking for versions of %s failed", model.name)
                continue
            if changed:
                models.replace(model.name, model.servables)
                replaced = True
                numbers = ", ".join(str(s.version) for s in model.servables) or "none"
                LOG.warning("%s: versions served from now on: %s", model.name, numbers)
