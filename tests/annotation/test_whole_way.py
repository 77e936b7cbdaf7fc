"""From the page to a trained network, on the drawn faces of the demo (marked: it trains)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from kaffect.annotation.demo import demo_project
from kaffect.annotation.project import open_project
from kaffect.cli import main
from kaffect.data import read_annotations
from tests.annotation.pages import APP, annotating, in_page, needs_browser, press

pytestmark = [*needs_browser, pytest.mark.nightly]


async def annotate_video(page: Any, place: int) -> None:
    """Two units, an expression, a trace over the whole video, verification."""
    await page.evaluate(f"{APP}.open({place})")
    frames = await page.evaluate(f"{APP}.info.frames")
    await page.evaluate(f"{APP}.selectNone()")
    for key, first, last in (("Digit1", 30, 90), ("Digit5", 60, 150)):
        await page.evaluate(f"{APP}.chooseRow('AU1')")
        await page.evaluate(f"{APP}.select({first}, {last})")
        await press(page, key)
    await press(page, "KeyM")
    for key, first, last in (("Digit1", 0, 99), ("Digit5", 100, frames - 1)):
        await page.evaluate(f"{APP}.select({first}, {last})")
        await press(page, key)
    await press(page, "Home")
    await page.evaluate("(() => { const e = document.getElementById('device'); e.value = 'keys';"
                        " e.dispatchEvent(new Event('change')); })()")  # fmt: skip
    await page.wait_for(f"{APP}.player.frame === 0 && !{APP}.player.seeking")
    await page.evaluate(f"{APP}.setSpeed(2)")
    await press(page, "KeyV")
    await page.wait_for(f"{APP}.recorder.recording")
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft"):
        await press(page, key, hold=True)
        await page.evaluate("new Promise((done) => setTimeout(done, 600))")
        await page.command("Input.dispatchKeyEvent", type="keyUp", code=key, key=key)
    await page.wait_for(f"!{APP}.recorder.recording", 60)
    await page.evaluate("document.getElementById('verify').click()")
    await page.wait_for(f"{APP}.pass === 2 && {APP}.player.frame > 20")
    await press(page, "Space", " ")
    await page.wait_for(f"!{APP}.player.playing && !{APP}.player.seeking")
    await page.evaluate("document.querySelectorAll('#done input').forEach((box) => box.click())")
    await page.evaluate(f"{APP}.queue.stored()")


def test_from_the_page_to_a_trained_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = demo_project(lambda text: None)
    shutil.copytree(demo.root, tmp_path / "project")
    for expert in ("annotator_2", "annotator_3"):
        shutil.rmtree(tmp_path / "project/annotators" / expert)
    project = open_project(tmp_path / "project")

    async def steps(page: Any) -> None:
        for place in range(len(project.videos)):
            await annotate_video(page, place)

    with annotating(project, "visitor") as (server, _):
        in_page(server.address, steps)
    out, merged, split = tmp_path / "out", tmp_path / "merged", tmp_path / "split"
    assert main(["annotate", "--project", str(project.root), "--export", str(out)]) == 0
    flags = ["--out", str(merged), "--videos", str(out / "videos")]
    assert main(["data", "merge-annotators", str(out / "annotators"), *flags]) == 0
    ratios = ["--ratios", "0.34,0.33,0.33"]
    assert main(["data", "split", str(merged), *ratios, "--out", str(split)]) == 0
    assert main(["data", "check", str(split), "--decode"]) == 0
    path = next((out / "annotators/visitor/VA_Set").rglob("*.txt"))
    assert read_annotations(path).valid.mean() > 0.9
    run = ["train", "--table", "XI", "--row", "1", "--profile", "smoke", "--data", str(split)]
    assert main([*run, "--out", str(tmp_path / "run")]) == 0
    assert list((tmp_path / "run/checkpoints").iterdir())
