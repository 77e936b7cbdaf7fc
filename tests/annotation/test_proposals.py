"""First proposals in the background: what is proposed, what is not, and that nothing waits."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from kaffect.annotation.log import open_log
from kaffect.annotation.project import Project
from kaffect.annotation.proposals import NOTE, propose, without_proposal
from kaffect.annotation.server import AnnotationSite
from kaffect.annotation.session import Session
from kaffect.cli import annotate, main
from kaffect.labels import TASKS

HEAD = "frame,face,person,valence,arousal,expression"


def writes(text: str) -> Any:
    """In the place of `kaffect predict`: writes `text`."""
    code = "import sys, pathlib; pathlib.Path(sys.argv[2], 'any name.csv').write_text(sys.argv[1])"
    return lambda video, out: [sys.executable, "-c", code, text, str(out)]


def fails(video: Path, out: Path) -> list[str]:
    code = "import sys; print('some warning\\nerror: it is broken', file=sys.stderr); sys.exit(2)"
    return [sys.executable, "-c", code]


def test_what_predict_says_becomes_a_proposal(project: Project) -> None:
    lines: list[str] = []
    with open_log(project.folder_of("anna"), project.id, "anna") as log:
        site = AnnotationSite(Session(project, log, "anna", TASKS))
        assert sorted(without_proposal(site)) == ["double", "film"]
        table = "\n".join([HEAD, "1,1,0,0.5,0.25,Anger", "2,1,0,0.5,0.25,Anger"])
        asyncio.run(propose(site, lines.append, writes(table)))
        assert without_proposal(site) == []
        session = site.session
        for place in range(2):
            assert session.runs(place, 0)["expression"][0][0::2] == (0, "Anger")
            assert session.labels.latest_pass(session.project.videos[place]) == 1
            assert session.runs(place, 1) == {}  # nothing is the annotator's own
        asyncio.run(propose(site, lines.append, fails))  # nothing is left to read
    assert sorted(lines) == ["first proposal: double", "first proposal: film"]


def test_a_video_that_cannot_be_read_has_one_line_and_the_others_go_on(project: Project) -> None:
    lines: list[str] = []
    with open_log(project.folder_of("anna"), project.id, "anna") as log:
        site = AnnotationSite(Session(project, log, "anna", TASKS))
        asyncio.run(propose(site, lines.append, fails))
        asyncio.run(propose(site, lines.append, writes(HEAD + "\n1,0,,,,")))
        assert len(without_proposal(site)) == 2
    assert sorted(lines[:2]) == [f"no proposal for {n}: it is broken" for n in ("double", "film")]
    assert all(line.endswith("no row has a face") for line in lines[2:]) and len(lines) == 4
    assert not project.read_log("anna").events


def test_the_page_answers_meanwhile_and_its_end_ends_the_reading(
    project: Project, tmp_path: Path
) -> None:
    code = "import os, pathlib, sys, time; p = pathlib.Path(sys.argv[1]); "
    code += "p.with_suffix('.new').write_text(str(os.getpid())); "
    code += "p.with_suffix('.new').rename(p); time.sleep(600)"
    started = tmp_path / "pid"

    async def visit(site: AnnotationSite) -> None:
        command = [sys.executable, "-c", code, str(started)]
        reading = asyncio.create_task(propose(site, print, lambda video, out: command))
        while not started.exists():
            await asyncio.sleep(0.05)
        assert site.session.overview()["queue"]
        assert await site.store([]) == 0 and not reading.done()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    with open_log(project.folder_of("anna"), project.id, "anna") as log:
        asyncio.run(visit(AnnotationSite(Session(project, log, "anna", TASKS))))
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


@pytest.mark.parametrize(
    ("flags", "proposing"), [([], True), (["--no-proposals"], False), (["--demo"], False)]
)
def test_plain_annotate_says_that_it_proposes(
    flags: list[str],
    proposing: bool,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served: list[Any] = []
    monkeypatch.setattr(
        annotate, "_serve", lambda site, options, beside=None: served.append(beside)
    )
    monkeypatch.setattr("kaffect.annotation.demo.demo_project", lambda say: project)
    where = [] if flags == ["--demo"] else ["--project", str(project.root)]
    assert not main(["annotate", "--annotator", "anna", "--no-browser", *where, *flags])
    assert [beside is not None for beside in served] == [proposing]
    assert capsys.readouterr().out.count(NOTE) == proposing
