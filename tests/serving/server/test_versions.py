"""Versions come and go while the server runs; a damaged one stops nobody."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import tensorflow as tf

from kaffect.errors import ArtifactError
from kaffect.files import write_manifest
from kaffect.serving.golden import GOLDEN, read_golden
from kaffect.serving.server import folders
from kaffect.serving.server.servable import Models, Servable, Signature, TensorSpec
from kaffect.serving.server.versions import Versions, numbered, watch
from kaffect.serving.server.warmup import replay
from kaffect.serving.tf_serving import WARMUP, write_warmup
from tests.serving.server import hostile, served
from tests.serving.server.test_abuse import until


def change_manifest(folder: Path) -> None:
    """Write the manifest again, so that what was changed in `folder` is listed."""
    described = json.loads((folder / "manifest.json").read_text())
    del described["files"]
    write_manifest(folder, described)


@pytest.fixture()
def copy(frame_export: Path, tmp_path: Path) -> Path:
    """A model folder with the version 3, and its warm-up requests."""
    folder = Path(shutil.copytree(frame_export, tmp_path / "frames" / "3"))
    write_warmup(folder, json.loads((folder / "manifest.json").read_text()))
    change_manifest(folder)
    return tmp_path / "frames"


class Shelf:
    """Versions of a model that needs no TensorFlow; a file named `bad` makes one damaged."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root, self.loads, self.lines = root, [], []  # type: ignore[var-annotated]
        self.versions = Versions("plain", root, self.load, report=self.lines.append, **options)

    def load(self, name: str, number: int, path: Path, sha256: Collection[str]) -> Servable:
        self.loads.append(number)
        if (path / "bad").exists():
            raise ArtifactError(f"{path}: damaged")
        spec = TensorSpec("x", np.dtype("float32"), (None,))
        signature = Signature("serving_default", {"x": spec}, {"y": spec}, lambda a: {"y": a["x"]})
        return Servable(name, number, {"serving_default": signature})

    def add(self, *names: str, bad: bool = False) -> None:
        for name in names:
            (self.root / name).mkdir()
            (self.root / name / ("bad" if bad else "good")).touch()

    @property
    def numbers(self) -> list[int]:
        return [servable.version for servable in self.versions.servables]


def test_a_damaged_version_is_reported_once_and_stops_nobody(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.add("1", "3")
    shelf.add("2", bad=True)
    assert shelf.versions.look() and shelf.numbers == [1, 3]
    assert not shelf.versions.look() and shelf.loads == [3, 2, 1]
    assert shelf.lines == [f"{tmp_path / '2'}: damaged"]
    (tmp_path / "2" / "bad").rename(tmp_path / "2" / "good")
    assert shelf.versions.look() and shelf.numbers == [1, 2, 3]


def test_versions_come_and_go(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert not shelf.versions.look() and "no version of a model" in shelf.lines[0]
    shelf.add("7")
    assert shelf.versions.look() and shelf.numbers == [7]
    first = shelf.versions.servables[0]
    shelf.add("8")
    assert shelf.versions.look() and shelf.numbers == [7, 8]
    assert shelf.versions.servables[0] is first, "what has not changed is not loaded again"
    # Another content under the same number; and one that became bad stays as it was loaded.
    (tmp_path / "7" / "more").touch()
    (tmp_path / "8" / "bad").touch()
    assert shelf.versions.look() and shelf.numbers == [7, 8]
    assert shelf.versions.servables[0] is not first
    shutil.rmtree(tmp_path / "7")
    assert shelf.versions.look() and shelf.numbers == [8]
    shutil.rmtree(tmp_path)
    assert shelf.versions.look() and shelf.numbers == []


def test_the_newest_that_can_be_served(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, newest_only=True)
    shelf.add("1", "2")
    assert shelf.versions.look() and shelf.numbers == [2] and shelf.loads == [2]
    shelf.add("10", bad=True)
    assert not shelf.versions.look() and shelf.numbers == [2]
    shelf.add("11")
    assert shelf.versions.look() and shelf.numbers == [11]


@pytest.mark.parametrize("name", ["01", "00", "²", "½", "٣", "１", "9" * 19, "9" * 244])
def test_odd_version_names_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    shelf = Shelf(tmp_path)
    shelf.add("1", name)
    (tmp_path / "notes").mkdir()
    assert shelf.versions.look() and shelf.numbers == [1]
    assert len(shelf.lines) == 1 and "\n" not in shelf.lines[0] and len(shelf.lines[0]) < 400
    assert repr(name[:40]) in shelf.lines[0]
    assert list(numbered(tmp_path)[0]) == [1]


def test_zero_and_the_largest_number(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.add("0", "9" * 18)
    assert shelf.versions.look() and shelf.numbers == [0, 10**18 - 1]


def test_a_model_folder_with_an_odd_name_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("good", "n" * 244, "a b", "²"):
        (tmp_path / name / "1").mkdir(parents=True)
    lines: list[str] = []
    assert folders.models_below(tmp_path, lines.append) == [("good", tmp_path / "good")]
    assert len(lines) == 3 and all("no name of a model" in line for line in lines)


def test_a_running_server_takes_a_new_version_and_drains_the_old(tmp_path: Path) -> None:
    """While a request on the old version is computed, the new one answers already."""
    shelf = Shelf(tmp_path, newest_only=True)
    shelf.add("1")
    shelf.versions.look()
    old = served.SlowModel()
    (servable,) = old.models
    models = Models([servable])
    background = watch(models, [shelf.versions], 0.05)
    shelf.versions.name = "slow"
    request = hostile.predict({"instances": [1.5]}, "/v1/models/slow:predict")
    with served.running(models, background=background) as server:
        answers: list[Any] = []
        first = threading.Thread(
            target=lambda: answers.append(hostile.exchange(server.rest_port, request, 60))
        )
        first.start()
        assert old.started.wait(20)
        shelf.add("2")
        assert until(lambda: [s.version for s in models.versions("slow")] == [2])
        status, _, body = hostile.exchange(server.rest_port, request)
        assert (status, json.loads(body)) == (200, {"predictions": [1.5]})
        old.go.set()
        first.join(20)
        assert answers[0][0] == 200 and json.loads(answers[0][2]) == {"predictions": [3.0]}
        ready = hostile.http("GET", "/readyz")
        assert hostile.exchange(server.rest_port, ready)[0] == 200
        shutil.rmtree(tmp_path / "2")
        shutil.rmtree(tmp_path / "1")
        assert until(lambda: hostile.exchange(server.rest_port, ready)[0] == 503)
        assert hostile.exchange(server.rest_port, request)[0] == 404
        alive = hostile.http("GET", "/healthz")
        assert hostile.exchange(server.rest_port, alive)[0] == 200, "alive, although not ready"


def test_a_failing_look_does_not_end_the_watch(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.add("1")
    models = Models([])
    broken = [True]
    look = shelf.versions.look

    def once() -> bool:
        if broken.pop() if broken else False:
            raise RuntimeError("planted")
        return look()

    shelf.versions.look = once  # type: ignore[method-assign]

    async def run() -> None:
        task = asyncio.create_task(watch(models, [shelf.versions], 0.01))
        end = time.monotonic() + 20
        while not models.names and time.monotonic() < end:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(run())
    assert models.names == ["plain"] and not broken


def test_an_export_is_tried_before_it_is_served(copy: Path) -> None:
    """Golden outputs of another network, and a warm-up request that cannot be answered."""
    shutil.copytree(copy / "3", copy / "4")
    inputs, outputs = read_golden(copy / "4")
    named = {f"input/{k}": v for k, v in inputs.items()}
    named |= {f"output/{k}": v + 1 for k, v in outputs.items()}
    np.savez(copy / "4" / GOLDEN, **named)
    change_manifest(copy / "4")
    shutil.copytree(copy / "3", copy / "5")
    records = list(tf.data.TFRecordDataset(str(copy / "5" / WARMUP)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(copy / "5" / WARMUP)) as writer:
        for record in [*records, b"\xff no request"]:
            writer.write(record)
    change_manifest(copy / "5")
    lines: list[str] = []
    found = folders.versions("frames", copy, report=lines.append)
    assert [s.version for s in found.servables] == [3]
    assert len(lines) == 2 and all("\n" not in line for line in lines)
    assert f"warm-up request {len(records) + 1}" in lines[0] and "golden outputs" in lines[1]


def test_every_warm_up_request_is_computed(copy: Path) -> None:
    (servable,) = folders.load("frames", copy)
    called: list[str] = []
    for signature in servable.signatures.values():
        inner, name = signature.call, signature.name
        object.__setattr__(
            signature, "call", lambda a, inner=inner, name=name: called.append(name) or inner(a)
        )
    assert replay(servable, copy / "3") == len(called) == len(servable.signatures)
    assert sorted(called) == sorted(servable.signatures)


def test_a_version_of_many_is_damaged_at_the_start(copy: Path) -> None:
    shutil.copytree(copy / "3", copy / "4")
    (copy / "4" / "saved_model.pb").write_bytes(b"")
    models = Models(folders.load("frames", copy))
    with served.running(models) as server:
        address = f"http://127.0.0.1:{server.rest_port}/v1/models/frames"
        states = requests.get(address, timeout=20).json()["model_version_status"]
    assert [state["version"] for state in states] == ["3"]
