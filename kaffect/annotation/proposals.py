"""First proposals while the page is open already (paper Section III-B; the proposal is ours).

Each video without a proposal is read by `kaffect predict` in a process of its own with a low
priority, so that neither the start of the page nor its video waits for a network.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from kaffect.annotation.exchange import PROPOSAL, import_events
from kaffect.annotation.server import AnnotationSite
from kaffect.errors import KaffectError

_LOW_PRIORITY = 15
NOTE = (
    "note: the project's own network reads the videos in the background and proposes first "
    "labels. It was trained on rendered faces alone and is often wrong (--no-proposals: none; "
    "--propose DIR: another network)"
)


def without_proposal(site: AnnotationSite) -> list[str]:
    """The videos that nothing was proposed for yet, in the annotator's order."""
    session = site.session
    order = session.project.order(session.annotator)
    names = [session.project.videos[place] for place in order]
    return [name for name in names if PROPOSAL not in session.labels.videos[name].passes]


def predict_command(video: Path, out: Path) -> list[str]:
    """The command that writes OUT/<name>.csv."""
    command = [sys.executable, "-m", "kaffect.cli", "predict", str(video)]
    return [*command, "--out", str(out), "--no-summary"]


async def propose(
    site: AnnotationSite,
    say: Callable[[str], None],
    command: Callable[[Path, Path], Sequence[str]] = predict_command,
) -> None:
    """Make the missing proposals, one video after the other; may be cancelled at any time.

    A video that cannot be read gets no proposal and one line.

    Args:
        say: takes one line for each video.
        command: (video, folder) -> the command that writes a table into the folder.
    """
    for name in without_proposal(site):
        video = site.session.project.sources[name]
        with tempfile.TemporaryDirectory() as folder:
            try:
                table = await _read(command(Path(video), Path(folder)), Path(folder), name)
                session = site.session
                found = (session.project, session.labels, table)
                events, _ = await asyncio.to_thread(import_events, *found)
                await site.store(events)
                say(f"first proposal: {name}")
            except KaffectError as error:
                say(f"no proposal for {name}: {error}")


async def _read(command: Sequence[str], folder: Path, name: str) -> Path:
    """The table that `command` writes into `folder`, under the video's name.

    Raises:
        KaffectError: it wrote none.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        with contextlib.suppress(OSError):  # it may have ended
            os.setpriority(os.PRIO_PROCESS, process.pid, _LOW_PRIORITY)
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    tables = sorted(folder.glob("*.csv"))
    if process.returncode or len(tables) != 1:
        lines = errors.decode(errors="replace").strip().splitlines() or ["it could not be read"]
        raise KaffectError(lines[-1].removeprefix("error: "))
    return tables[0].rename(folder / f"{name}.csv")
