"""The annotation page in a real browser: keys, traces, passes, and what the log says of them."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaffect.annotation.copies import open_copy
from kaffect.annotation.export import ExportSettings, export_tree, replay_all
from kaffect.annotation.labels import AnnotatorLabels
from kaffect.annotation.project import Project
from kaffect.annotation.review import Review
from kaffect.annotation.review_site import ReviewSite
from kaffect.annotation.trial import target
from kaffect.cli import main
from kaffect.data import read_annotations
from tests.annotation.pages import (
    APP,
    annotating,
    in_page,
    listening,
    needs_browser,
    press,
    release,
)
from tests.annotation.test_export import FRAMES, done, put, write
from tests.serving.demo import browser

pytestmark = needs_browser
CTRL, SHIFT = 2, 8
FILM = 1  # place of film.mp4 in the project
PAGE_RUNS = f"""Object.fromEntries([...{APP}.labels.rows.values()].map((row) => [row.name,
  {APP}.labels.runs(row.name).map((r) => [r.first, r.last, row.words[r.code]])])
  .filter(([, runs]) => runs.length))"""


async def opened(page: Any) -> None:
    await page.evaluate(f"{APP}.open({FILM})")
    assert await page.evaluate(f"{APP}.info.name") == "film"


async def go(page: Any, frame: int) -> None:
    await page.evaluate(f"{APP}.player.seek({frame})")


async def select(page: Any, first: int, last: int) -> None:
    await go(page, first)
    await press(page, "KeyI")
    await go(page, last)
    await press(page, "KeyO")


def test_labels_by_keys_are_those_of_the_log(project: Project) -> None:
    """Ranges, single frames, states, edges, undo and redo; then after the page is opened anew."""
    state: dict[str, Any] = {}

    async def steps(page: Any) -> None:
        await opened(page)
        await select(page, 10, 19)
        await press(page, "Digit1")
        await press(page, "Digit5")
        await press(page, "Escape")
        await go(page, 30)
        await press(page, "Digit2", modifiers=SHIFT)
        await press(page, "Digit3", modifiers=1)
        await go(page, 15)
        await press(page, "ArrowUp")  # from AU4 to AU2
        await press(page, "ArrowUp")
        await press(page, "BracketLeft", "[")
        await press(page, "BracketRight", "]", SHIFT)
        await press(page, "KeyM")
        await select(page, 20, 40)
        await press(page, "Digit5")
        await press(page, "Escape")
        await go(page, 40)
        await press(page, "Delete")
        await press(page, "KeyG")
        for _ in range(3):
            await press(page, "KeyZ", "z", CTRL)
        await press(page, "KeyY", "y", CTRL)
        state["page"] = await page.evaluate(PAGE_RUNS)
        await page.evaluate(f"{APP}.queue.stored()")
        state["server"] = await page.evaluate(
            f"fetch('/api/videos/{FILM}/runs/1').then((a) => a.json())"
        )
        await page.evaluate(f"{APP}.open({FILM})")
        state["again"] = await page.evaluate(PAGE_RUNS)
        count = await page.evaluate(f"{APP}.labels.steps.length")
        for _ in range(count + 3):
            await press(page, "KeyZ", "z", CTRL)
        assert await page.evaluate(PAGE_RUNS) == {}, "undo reaches back behind the reload"
        for _ in range(count):
            await press(page, "KeyY", "y", CTRL)
        assert await page.evaluate(PAGE_RUNS) == state["again"]
        # What was undone before another label is set cannot be done again.
        await press(page, "KeyZ", "z", CTRL)
        await press(page, "Digit1")
        await press(page, "KeyY", "y", CTRL)
        await page.evaluate(f"{APP}.queue.stored()")
        assert await page.evaluate(PAGE_RUNS) == await page.evaluate(
            f"fetch('/api/videos/{FILM}/runs/1').then((a) => a.json())"
        )

    with annotating(project) as (server, _):
        requested = in_page(server.address, steps)
    assert state["page"] == {
        "AU1": [[9, 18, "present"]],
        "AU12": [[10, 19, "present"]],
        "AU2": [[30, 30, "absent"]],
        "AU4": [[30, 30, "cannot tell"]],
        "expression": [[20, 40, "Happiness"]],
    }
    assert state["server"] == state["again"] == state["page"]
    assert [u for u in requested if not u.startswith((server.address, "data:", "blob:"))] == []


def test_a_key_that_is_held_while_it_plays_labels_a_range(project: Project) -> None:
    found: dict[str, Any] = {}

    async def steps(page: Any) -> None:
        await opened(page)
        await page.evaluate(f"{APP}.setSpeed(0.5)")
        await press(page, "Space", " ")
        await page.wait_for(f"{APP}.player.frame >= 5")
        await press(page, "Digit1", hold=True)
        await page.wait_for(f"{APP}.player.frame >= 15")
        await release(page, "Digit1")
        await press(page, "Space", " ")
        await page.wait_for(f"!{APP}.player.playing && !{APP}.player.seeking")
        found["runs"] = (await page.evaluate(PAGE_RUNS))["AU1"]

    with annotating(project) as (server, _):
        in_page(server.address, steps)
    ((first, last, word),) = found["runs"]
    assert word == "present" and first >= 5 and last >= 15


# Moves the pointer on the plane at the first frame from 20 on, and notes which frame that was.
MOVE = """(() => {
  const app = %s, plane = document.getElementById('plane'), box = plane.getBoundingClientRect();
  const half = box.width / 2, reach = half - 14;
  const point = (x, y) => plane.dispatchEvent(new PointerEvent('pointermove', {
    pointerType: 'mouse', clientX: box.left + half + x * reach, clientY: box.top + half - y * reach,
  }));
  globalThis.movedAt = null;
  point(0.5, 0.5);
  app.player.onframe((frame) => {
    if (movedAt !== null || frame < 20 || !app.recorder.recording) return;
    globalThis.movedAt = frame;
    point(-0.5, 0.25);
  });
})()""" % APP  # fmt: skip


def test_a_trace_is_recorded_while_it_plays(project: Project) -> None:
    """The pointer rests at one place of the plane, then at another; then arrow keys from there."""
    taken: dict[str, Any] = {}

    async def steps(page: Any) -> None:
        await opened(page)
        await page.evaluate(f"{APP}.setSpeed(0.5)")
        await page.evaluate(MOVE)
        await press(page, "KeyV")
        await page.wait_for(f"{APP}.recorder.recording")
        await page.wait_for(f"!{APP}.recorder.recording")
        await page.evaluate(f"{APP}.queue.stored()")
        taken["moved"] = await page.evaluate("movedAt")
        taken["events"] = project.read_log("anna").events
        # From frame 40 on valence is recorded again, with keys.
        await page.evaluate(
            "(() => { const set = (id, v) => { const e = document.getElementById(id); e.value = v;"
            " e.dispatchEvent(new Event('change')); };"
            "set('device', 'keys'); set('dimensions', 'valence'); })()"
        )
        await go(page, 40)
        await page.evaluate(f"{APP}.fetchCurve()")
        await press(page, "KeyV")
        await page.wait_for(f"{APP}.recorder.recording")
        await press(page, "ArrowRight", hold=True)
        await page.wait_for(f"!{APP}.recorder.recording")
        await release(page, "ArrowRight")
        await page.evaluate(f"{APP}.queue.stored()")

    with annotating(project) as (server, session):
        in_page(server.address, steps)
        live = session.labels.arrays("film", 1).va
    replayed = replay_all(project)["anna"].arrays("film", 1).va
    np.testing.assert_array_equal(live, replayed)
    before = AnnotatorLabels(project.space, {"film": FRAMES})
    before.apply(taken["events"])
    first, moved = before.arrays("film", 1).va, taken["moved"]
    events = project.read_log("anna").events
    takes = [e for e in events if e["kind"] == "take"]
    assert [(e["device"], e["dimensions"]) for e in takes] == [
        ("mouse", ["valence", "arousal"]), ("keys", ["valence"])
    ]  # fmt: skip
    own = np.array([s for e in events if e["kind"] == "samples" and e["take"] == takes[0]["take"]
                    for s in e["samples"]])  # fmt: skip
    times, frames, places = own[:, 0], own[:, 1], own[:, 2:4]
    assert (np.diff(times) >= 0).all() and (np.diff(own[:, 4]) >= 0).all()
    assert ((times * 30 - frames > -0.01) & (times * 30 - frames < 1.01)).all()
    there = np.abs(places - [0.5, 0.5]).max(axis=1) < 0.02
    then = np.abs(places - [-0.5, 0.25]).max(axis=1) < 0.02
    change = int(there.sum())
    assert there[:change].all() and then[change:].all(), "two places, one after the other"
    assert frames[change - 1] <= moved <= frames[change]
    covered = slice(int(frames[0]) + 1, int(frames[-1]))
    assert np.isfinite(first[covered]).all()
    np.testing.assert_allclose(
        first[covered.start : int(frames[change - 1]) - 1, 0], 0.5, atol=0.02
    )
    np.testing.assert_allclose(first[int(frames[change]) + 1 : covered.stop, 1], 0.25, atol=0.02)
    np.testing.assert_array_equal(replayed[:40], first[:40])
    np.testing.assert_array_equal(replayed[:, 1], first[:, 1])
    assert np.nanmax(replayed[40:, 0]) > first[39, 0], "the key moved valence up from where it was"


def test_a_persons_way_from_page_to_tree(project: Project, tmp_path: Path) -> None:
    """Two units, an expression, a finished first pass, a second one, comments, export, merge."""

    async def steps(page: Any) -> None:
        await opened(page)
        await select(page, 10, 29)
        await press(page, "Digit1")
        await press(page, "Digit5")
        await press(page, "KeyM")
        await press(page, "Digit5")
        await press(page, "Escape")
        await page.evaluate(
            f"(() => {{ for (const box of document.querySelectorAll('#done input')) box.click();"
            f" {APP}.comment('<img src=x onerror=alert(1)>'); }})()"
        )
        await page.evaluate("document.getElementById('verify').click()")
        await page.wait_for(f"{APP}.pass === 2 && {APP}.player.frame > 12")
        await press(page, "Space", " ")
        await page.wait_for(f"!{APP}.player.playing && !{APP}.player.seeking")
        await go(page, 15)
        strip = await page.evaluate("document.getElementById('strip').textContent")
        assert strip == "Happiness · AU1 · AU12"
        await press(page, "ArrowDown")  # from the expression to AU1
        await press(page, "Delete")
        strip = await page.evaluate("document.getElementById('strip').textContent")
        assert strip == "Happiness · AU12"
        assert await page.evaluate("document.querySelectorAll('#comments img').length") == 0
        await page.evaluate("document.querySelector('#done [data-task=au]').click()")
        await page.evaluate("document.querySelector('#done [data-task=expression]').click()")
        await page.evaluate(f"{APP}.queue.stored()")

    with annotating(project) as (server, _):
        in_page(server.address, steps)
    write(project, "ben", put(["AU12", 5, 24, "present"], ["expression", 10, 29, "Happiness"]),
          done("au"))  # fmt: skip
    export_tree(tmp_path / "out", project, ExportSettings("anna"))
    au = read_annotations(tmp_path / "out/annotations/AU_Set/Training_Set/film.txt").values
    assert np.flatnonzero(au[:, 0]).tolist() == [n for n in range(10, 30) if n != 15]
    merged, videos = tmp_path / "merged", str(tmp_path / "out/videos")
    folder = str(tmp_path / "out/annotators")
    flags = ["--out", str(merged), "--videos", videos]
    assert main(["data", "merge-annotators", folder, *flags]) == 0
    assert main(["data", "check", str(merged), "--decode"]) == 0
    au = read_annotations(merged / "annotations/AU_Set/Training_Set/film.txt").values
    assert np.flatnonzero(au[:, 4]).tolist() == list(range(10, 25))
    log = project.read_log("anna")
    second = [e for e in log.events if e["kind"] == "label" and e["pass"] == 2]
    assert len(second) == 1 and log.header["annotator"] == "anna" and second[0]["at"] > 0


def test_the_page_survives_its_server(project: Project) -> None:
    """Labels that are set while the server is away are sent to the next one."""

    async def steps(page: Any) -> None:
        await opened(page)
        await press(page, "Digit1")
        await page.evaluate(f"{APP}.queue.stored()")
        # As if nobody answered: requests fail until the address is given back.
        await page.evaluate("globalThis.away = fetch; globalThis.fetch = () => Promise.reject()")
        await go(page, 7)
        await press(page, "Digit2")
        await page.wait_for("document.getElementById('status').dataset.state === 'error'")
        text = await page.evaluate("document.getElementById('status').textContent")
        assert "not saved (1)" in text
        await page.evaluate("globalThis.fetch = away")
        await page.evaluate(f"{APP}.queue.stored()")
        await page.wait_for("document.getElementById('status').dataset.state === 'saved'")

    with annotating(project) as (server, _):
        in_page(server.address, steps)
    sets = [e["set"] for e in project.read_log("anna").events]
    assert sets == [[["AU1", 0, 0, "present"]], [["AU2", 7, 7, "present"]]]


CHECK_ACCESS = """(() => {
  const named = (e) => e.labels?.length || e.getAttribute('aria-labelledby')
    || /[a-z]{2}|[0-9] s/i.test(e.getAttribute('aria-label') ?? e.textContent);
  const all = 'button, input, select, textarea, canvas, video, dialog';
  const bare = [...document.querySelectorAll(all)]
    .filter((e) => !named(e)).map((e) => e.outerHTML);
  const wide = document.documentElement.scrollWidth > innerWidth;
  return { bare, wide, lang: document.documentElement.lang };
})()"""


def test_the_supervisors_page(project: Project) -> None:
    for name, last in (("anna", 29), ("ben", 24)):
        write(project, name, put(["AU12", 10, last, "present"]), done("au"),
              {"kind": "comment", "frame": 3, "text": "<script>x</script>"})  # fmt: skip

    async def visit(address: str) -> None:
        async with browser.tab() as page:
            await page.open(address)
            await page.wait_for("globalThis.kaffectReview?.report?.videos.length === 1")
            cells = await page.evaluate("document.getElementById('agreement').textContent")
            assert "AU12" in cells and "20 / 15" in cells
            assert await page.evaluate(CHECK_ACCESS) == {"bare": [], "wide": False, "lang": "en"}
            comments = await page.evaluate("document.getElementById('comments').textContent")
            assert "frame 4: <script>x</script>" in comments
            await page.evaluate("document.querySelector('#runs-table button').click()")
            await page.wait_for("kaffectReview.player.frame === 25")
            await page.evaluate("document.getElementById('select').click()")
            await page.wait_for("document.getElementById('written').textContent !== 'writing…'")
            assert page.complaints() == []

    with listening(ReviewSite(Review(project))) as server:
        asyncio.run(visit(server.address))
    assert main(["data", "check", str(project.root / "selections/001")]) == 0
    assert (project.root / "selections/001/agreement.json").is_file()


def test_everything_has_a_name_and_nothing_is_cut_off_at_200_percent(project: Project) -> None:
    async def steps(page: Any) -> None:
        for width, scale in ((1280, 1), (640, 2), (320, 4)):
            await page.command(
                "Emulation.setDeviceMetricsOverride",
                width=width, height=450, deviceScaleFactor=scale, mobile=False,
            )  # fmt: skip
            found = await page.evaluate(CHECK_ACCESS)
            assert found == {"bare": [], "wide": False, "lang": "en"}, width
        # Every stop of the Tab key shows that it has the focus.
        for _ in range(12):
            await press(page, "Tab")
            outline = await page.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement);"
                " return document.activeElement === document.body ? '3px' : s.outlineWidth; })()"
            )
            assert outline == "3px"

    with annotating(project) as (server, _):
        in_page(server.address, steps)


FOLLOW = """globalThis.said = null; (async () => {
  const { trial } = %s, box = () => trial.plane.getBoundingClientRect();
  await trial.show();
  trial.target = trial.target.slice(0, %%d);
  const follow = () => {
    if (!trial.running) return;
    const frame = Math.max(Math.floor((trial.time - 0.5) * 30), 0), { left, top, width } = box();
    const [x, y] = trial.target[Math.min(frame, trial.target.length - 1)], reach = width / 2 - 14;
    trial.plane.dispatchEvent(new PointerEvent('pointermove', {
      pointerType: 'mouse', clientX: left + width / 2 + x * reach,
      clientY: top + width / 2 - y * reach,
    }));
    requestAnimationFrame(follow);
  };
  document.getElementById('trial-start').click();
  follow();
  while (trial.running) await new Promise((done) => setTimeout(done, 50));
  await new Promise((done) => setTimeout(done, 500));
  globalThis.said = document.getElementById('trial-text').textContent;
})(); true""" % APP  # fmt: skip


def followed(project: Project, frames: int) -> str:
    """Follow the trial's target for some frames, half a second late; give what the page says."""
    said: list[str] = []

    async def steps(page: Any) -> None:
        await page.evaluate(FOLLOW % frames)
        said.append(await page.wait_for("said", 180))

    with annotating(project) as (server, _):
        in_page(server.address, steps)
    return said[0]


def test_a_trial_is_recorded(project: Project) -> None:
    assert followed(project, 45) == "Not done yet.", "a second and a half is no trial"
    samples = [s for e in project.read_log("anna").events if e["kind"] == "samples"
               for s in e["samples"]]  # fmt: skip
    wanted = target(project.seed)
    times = np.array([s[0] for s in samples])
    assert 0 <= times[0] < times[-1] < 1.5
    late = np.clip(((times - 0.5) * 30).astype(int), 0, None)
    apart = np.abs(np.array([s[2:4] for s in samples]) - wanted[late]).max(axis=1)
    assert np.median(apart) < 0.05


@pytest.mark.nightly
def test_a_whole_trial_measures_the_delay(project: Project) -> None:
    text = followed(project, 3600)
    found = re.match(r"Delay (\d+) frames \([\d.]+ s\), reliability ([\d.]+)", text)
    assert found is not None, text
    assert abs(int(found[1]) - 15) <= 2 and float(found[2]) > 0.95


def test_a_page_for_one_task_offers_nothing_else(project: Project) -> None:
    async def steps(page: Any) -> None:
        # A canvas whose width is already right must be given its height all the same.
        style = "Object.assign(plane.style, {width: '300px', height: '300px'})"
        await page.evaluate(f"{style}; plane.width = 300; plane.height = 150")
        await go(page, 3)
        await page.wait_for("plane.height === 300")
        for code in ("Digit1", "KeyM", "Digit5", "KeyA", "Enter", "KeyG", "KeyN", "KeyU"):
            await press(page, code)
        assert await page.evaluate(f"[...{APP}.labels.rows.keys()]") == ["face"]
        assert await page.evaluate("document.querySelectorAll('#done input').length") == 1
        await page.evaluate(f"{APP}.queue.stored()")

    with annotating(project, tasks=("va",)) as (server, _):
        in_page(server.address, steps)
    labelled = {entry[0] for e in project.read_log("anna").events for entry in e["set"]}
    assert labelled == {"face"}


STICK = """(() => {
  const pad = { connected: true, axes: [0.1, 0.1] }, pointing = %s.pointing;
  navigator.getGamepads = () => [null, pad];
  Object.assign(pointing, { device: 'gamepad', mode: 'bounded', deadZone: 0.2 });
  pointing.calibrate();
  const at = (x, y) => {
    pad.axes = [x, y];
    return pointing.read(0).map((v) => Math.round(1000 * v) / 1000);
  };
  const found = [at(0.1, 0.1), at(0.25, 0.1), at(0.7, 0.1), at(0.1, -0.9), at(-1, 1)];
  pointing.mode = 'relative';
  pointing.begin([0, 0]);
  pointing.last = 0;
  pad.axes = [1.1, 0.1];
  for (let t = 0; t <= 3000; t += 50) pointing.read(t);
  return [...found, pointing.position];
})()""" % APP  # fmt: skip


def test_the_last_frame_and_a_gamepad(project: Project) -> None:
    """A stick that rests at (0.1, 0.1): dead zone, scale and bounds; relative, it is unbounded."""

    async def steps(page: Any) -> None:
        *places, far = await page.evaluate(STICK)
        assert places[:4] == [[0, 0], [0, 0], [0.5, 0], [0, 1]]
        assert places[4][0] == -1 and -1 <= places[4][1] < -0.9
        assert far[0] > 2.5 and far[1] == 0
        await opened(page)
        await press(page, "End")
        await page.wait_for(f"!{APP}.player.seeking && {APP}.player.frame > 0")
        assert await page.evaluate(f"{APP}.player.frame") == FRAMES - 1
        assert await page.evaluate("document.getElementById('frame').textContent") == str(FRAMES)

    assert open_copy(project, "film").frames == FRAMES
    with annotating(project) as (server, _):
        in_page(server.address, steps)
    assert json.loads((project.copies / "film.json").read_text())["frames"] == FRAMES
