"""`run.py --report FOLDER ...`: shards put together, one page, and what is rejected."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import run
from kaffect.files import write_json
from tests.studies.report.test_cells import write

HASH = "0123456789abcdef"
SPLITS = ("train", "validation", "test")


def split(name: str, people: list[str]) -> dict:
    plane = np.zeros((20, 20), int)
    plane[3, 5] = 7
    return {"hash": f"hash-of-{name}", "frames": 1234, "annotated": 1000, "videos": 3,
            "people": people, "unknown": 0, "expressions": {"Anger": 5, "Happiness": 6},
            "units": {"AU1": 9}, "plane": plane.tolist()}  # fmt: skip


def facts(folder: Path, data_hash: str = HASH, shared: str = "") -> None:
    """What the run said of its data; `shared`: a person of two sets."""
    people = {name: [f"{name}-person", *([shared] if shared else [])] for name in SPLITS}
    described = {"name": "synthetic Aff-Wild", "kind": "synthetic", "hash": data_hash}
    splits = {name: split(name, people[name]) for name in SPLITS}
    write_json(folder / f"data/{data_hash}.json", {**described, "splits": splits})


def shard(folder: Path, seed: int, **changes) -> Path:
    """A results folder with rows 1 and 2 of Table XI, one seed."""
    folder.mkdir(parents=True)
    lines = []
    for row in (1, 2):
        history = [
            {"step": step, "train": {"loss": 1 / step}, "validation": {"score": step / 10}}
            for step in (1, 2, 3)
        ]
        details = {
            "expression": {"classes": ["Anger", "Happiness"], "matrix": [[3, 1], [0, 4]]},
            "au": {"units": ["AU1"], "f1": [0.5], "frames": [9]},
            "va": {"labels": split("", [])["plane"], "answers": split("", [])["plane"],
                   "videos": [{"video": "v<1>", "frames": 9, "ccc": [0.5, -0.25]}]},
        }  # fmt: skip
        write_json(folder / f"details/row-{row}-seed-{seed}.json", details)
        record = write(folder, row, seed, history=history, best_step=3, study="recognition")
        record |= {"variant": "", "data_hash": HASH, "profile": "demo",
                   "data_kind": "synthetic", "data_name": "synthetic Aff-Wild",
                   "precision": "float32", "wall_time": 60.0,
                   "scored_split": "test", "folder": f"checkpoints/row-0{row}-seed-{seed}",
                   "details": f"details/row-{row}-seed-{seed}.json",
                   "environment": {"processor": "An <odd> one", "threads": 1}}  # fmt: skip
        lines.append(json.dumps({**record, **changes}) + "\n")
        attention = folder / "checkpoints" / f"row-0{row}-seed-{seed}" / "attention.png"
        attention.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(attention)
    (folder / "table_xi.jsonl").write_text("".join(lines))
    facts(folder)
    return folder


@pytest.fixture()
def shards(tmp_path: Path) -> list[str]:
    return [str(shard(tmp_path / f"shard-{seed}", seed)) for seed in (0, 1, 2)]


def test_shards_are_merged_into_one_page(shards: list[str], tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    out = tmp_path / "out"
    assert run.main(["--report", *shards, "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"report.html", "report.md"}
    assert all(path.read_bytes() == data for path, data in before.items())
    html, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    for page in (html, text):
        assert "n=3" in page and "6 runs in 3 results folders, 6.0 minutes" in page
        assert all(f"hash-of-{name}" in page for name in SPLITS) and "1,234" in page
        assert "float32" in page and "synthetic data" in page.lower()
    figures = re.findall(r"\[-?\d\.\d{3}, \d\.\d{3}\] \(n=3", text)
    assert len(figures) == 2, "intervals from the sums of all shards"
    assert "An &lt;odd&gt; one" in text


def test_the_page_has_every_picture_and_needs_nothing(shards: list[str], tmp_path: Path) -> None:
    assert run.main(["--report", *shards, "--out", str(tmp_path / "out")]) == 0
    html = (tmp_path / "out" / "report.html").read_text()
    captions = re.findall(r"<figcaption>([^<]*)</figcaption><img", html)
    kinds = ["Learning curves", "Confusion", "Scores of each", "Action Units",
             "Valence and arousal", "CCC of each", "Attention", "Labels of valence"]  # fmt: skip
    assert [kind for kind in kinds if not any(c.startswith(kind) for c in captions)] == []
    assert html.count("data:image/png;base64,") == len(captions) == len(kinds)
    # Below every picture of a result, which frames trained, chose and scored it.
    one = "trained on train hash-of-train; chosen on validation hash-of-validation; scored on test"
    assert html.count(one) == len(kinds) - 1
    assert "Errata of arXiv" in html and "What the paper leaves open" in html
    assert "<script" not in html and "An &lt;odd&gt; one" in html
    links = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert [link for link in links if not link.startswith(("#", "data:image/png"))] == []


def test_the_same_results_give_the_same_bytes(shards: list[str], tmp_path: Path) -> None:
    pages = []
    for name in "ab":
        assert run.main(["--report", *shards, "--out", str(tmp_path / name)]) == 0
        pages.append((tmp_path / name / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_a_folder_of_tables_is_taken_with_what_is_in_it(shards: list[str], tmp_path: Path) -> None:
    root = str(Path(shards[0]).parent)
    assert run.main(["--table", "xi", "--report", root, "--out", str(tmp_path / "out")]) == 0
    assert "n=3" in (tmp_path / "out" / "report.md").read_text()


def test_jobs_that_a_killed_driver_left_are_in_the_page(shards: list[str], tmp_path: Path) -> None:
    first = Path(shards[0])
    lines = (first / "table_xi.jsonl").read_text().splitlines()
    (first / "table_xi.jsonl").write_text(lines[0] + "\n")
    write_json(first / "jobs/row-02.json", {**json.loads(lines[1]), "job": "1"}, sealed=True)
    assert run.main(["--report", *shards, "--out", str(tmp_path / "out")]) == 0
    assert "6 runs in 3 results folders" in (tmp_path / "out" / "report.md").read_text()


def test_mistakes_are_one_line_and_nothing_is_written(
    shards: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    shard(tmp_path / "other-data", 3 - 1, data_hash="f" * 16)
    shard(tmp_path / "half", 1, precision="mixed_bfloat16")
    facts(shard(tmp_path / "overlap", 2), shared="subject_7")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/table_xi.jsonl").write_text('{"table": "XI", "row": 1}\n')
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for folders, said in (
        (["empty"], "--report empty: holds no result"),
        (["no/such"], "--report no/such: expected a folder"),
        ([shards[0], "other-data"], "2 sets of data in one column (synthetic Aff-Wild, demo)"),
        ([shards[0], "half"], "2 precisions in one column"),
        (["overlap"], "subject_7: in the sets test and train"),
        (["foreign"], "a result without seed, metrics, study"),
        ([shards[0], "--row", "1"], "--report: --row does not go with it"),
        ([shards[0], "--table", "X"], "holds no result of table X"),
        ([], "there is none in runs/"),
    ):
        assert run.main(["--report", *folders]) == 2, folders
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1, (folders, error)
    assert run.main([]) == 2 and "name a table" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
