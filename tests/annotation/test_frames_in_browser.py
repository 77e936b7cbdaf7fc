"""The frame that is labelled is the frame that is seen, at every rate of the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaffect.annotation.copies import make_copies, open_copy
from kaffect.annotation.project import open_project
from tests.annotation import bar_codes
from tests.annotation.pages import APP, annotating, in_page, needs_browser, press

pytestmark = needs_browser
FRAMES = 90


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, rate in bar_codes.RATES.items():
        bar_codes.write_clip(folder / f"{name}.mp4", bar_codes.steady(rate, FRAMES))
    bar_codes.write_clip(folder / "variable.mp4", bar_codes.variable(FRAMES))
    return folder


def test_what_is_labelled_is_what_is_seen(clips: Path, tmp_path: Path) -> None:
    labelled_is_seen(clips, tmp_path, 8)


@pytest.mark.nightly
def test_three_hundred_times(clips: Path, tmp_path: Path) -> None:
    labelled_is_seen(clips, tmp_path, 60)


def labelled_is_seen(clips: Path, tmp_path: Path, actions: int) -> None:
    """Random seeks, steps and plays; a label is set by key and read from the log.

    Args:
        actions: for each of the five clips.
    """
    project = open_project(tmp_path / "project", clips)
    make_copies(project, lambda text: None)
    copies = {name: open_copy(project, name) for name in project.videos}
    rng = np.random.default_rng(5)
    seen: list[tuple[str, str, int]] = []
    while_playing: list[tuple[str, int, int]] = []

    async def visit(page: Any, place: int, name: str) -> None:
        await page.evaluate(f"{APP}.open({place})")
        frames = copies[name].frames
        for number in range(actions):
            deed = ("seek", "step", "second", "play")[number % 4]
            if deed == "seek":
                target = int(rng.integers(frames))
                await page.evaluate(f"{APP}.player.seek({target})")
                assert await page.evaluate(f"{APP}.player.frame") == target
            elif deed == "step":
                await page.evaluate(f"{APP}.player.step({int(rng.choice([-2, -1, 1, 2]))})")
            elif deed == "second":
                await page.evaluate(f"{APP}.act('{rng.choice(['backSecond', 'onSecond'])}')")
            else:
                pairs = await page.evaluate(PLAY % int(rng.integers(100, 400)))
                while_playing.extend((name, *pair) for pair in pairs)
            await press(page, "Digit1")
            seen.append((name, deed, await page.evaluate(bar_codes.READ)))

    async def steps(page: Any) -> None:
        for place, name in enumerate(project.videos):
            await visit(page, place, name)
        await page.evaluate(f"{APP}.queue.stored()")

    with annotating(project) as (server, session):
        in_page(server.address, steps)
        labelled = [e for e in session.log.text.events if e["kind"] == "label"]
    labelled = [e for e in project.read_log("anna").events if e["kind"] == "label"]
    assert len(labelled) == len(seen) == actions * len(project.videos)
    wrong = []
    for event, (name, deed, number) in zip(labelled, seen):
        ((_, first, last, word),) = event["set"]
        assert event["video"] == name and first == last and word == "present"
        if copies[name].sources[first] != number:
            wrong.append((name, deed, first, number))
    assert wrong == []
    assert len(while_playing) > 5 * actions // 4
    # The picture is drawn after the report and may be of a later frame by then, never an earlier.
    assert [p for p in while_playing if copies[p[0]].sources[p[1]] > p[2]] == []


# Plays for some milliseconds; whenever a frame is reported, what the page calls it and what it
# shows; then pauses.
PLAY = """(async () => {
  const player = kaffectAnnotate.player, pairs = [];
  const note = (frame) => { if (player.playing) pairs.push([frame, %s]); };
  if (player.frame > player.frames / 2) await player.seek(0);
  player.onframe(note);
  await player.play();
  await new Promise((resolve) => setTimeout(resolve, %%d));
  await player.pause();
  player.listeners.pop();
  return pairs;
})()""" % bar_codes.READ
