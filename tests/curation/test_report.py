"""The statistics of a data set as tables, figures and a data card; the viewer of samples."""

from __future__ import annotations

import base64
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from experiments import run
from kaffect.cli import main
from kaffect.curation import figures
from kaffect.curation.data_card import data_card
from kaffect.curation.report import figures_of, tables_of
from kaffect.curation.statistics import describe
from kaffect.curation.tables import TextTable
from kaffect.data.tree import DataTree
from kaffect.studies.data_tables import paper_values
from kaffect.studies.image_grids import read_image


def test_tables_beside_the_papers(tree: DataTree) -> None:
    tables = tables_of(describe(tree), paper_values())
    first = {row[0]: row[1:] for row in tables["I"].rows}
    assert tables["I"].heads == ("attribute", "paper (Aff-Wild)", "tree (real)")
    assert first["No of frames"] == ("234,000", "175")
    assert first["Mean Image Resolution"] == ("827 x 516", "64 x 48")
    assert {row[0]: row[1:] for row in tables["IV"].rows}["No of videos"] == ("55", "4")
    third = {row[0]: row[1:] for row in tables["III"].rows}
    assert third["AU1 inner brow raiser"] == ("43,948", "24.4 %", "87", "49.7 %")
    assert third["AU12 lip corner puller"] == ("45,291", "25.2 %", "175", "100.0 %")
    assert tables["III"].note == "At least one unit is active in 175 of 175 labelled frames."
    balance = {row[0]: row[1:] for row in tables["balance"].rows}
    assert balance["tracks"] == ("3", "1", "1")
    assert balance["AU1"] == ("50.0 %", "50.0 %", "48.5 %")
    assert balance["frames with Action Units"] == ("80", "62", "33")


def test_the_paper_only_beside_its_own_units(tree: DataTree) -> None:
    statistics = describe(tree)
    part = statistics.parts["au"]
    part.units = {**part.units, "AU26": part.units["AU1"]}
    assert tables_of(statistics, paper_values())["III"].heads[1] == "tree (real), frames"
    assert tables_of(statistics, paper_values())["I"].heads == ("attribute", "tree (real)")


def test_synthetic_is_called_so(tree: DataTree) -> None:
    statistics = replace(describe(tree), synthetic=True)
    assert tables_of(statistics, None)["I"].heads[-1] == "tree (synthetic)"
    card = data_card(statistics, [], [])
    assert '<span class="badge">synthetic</span>' in card and "no figures of Aff-Wild" in card
    assert 'class="badge"' not in data_card(replace(statistics, synthetic=False), [], [])


def test_figures_show_the_counts(tree: DataTree) -> None:
    statistics = describe(tree)
    drawn = figures_of(statistics)
    assert list(drawn) == ["2", "4", "3", "together", "balance"]
    plane = statistics.parts["au"].plane
    (image,) = drawn["2"][1].axes[0].get_images()
    assert np.ma.filled(image.get_array(), 0).tolist() == plane.T.tolist()
    heights = [bar.get_height() for bar in drawn["2"][1].axes[1].patches]
    assert heights == plane.sum(axis=1).tolist()
    classes = statistics.parts["expression"].expressions
    assert [bar.get_height() for bar in drawn["3"][1].axes[0].patches] == [
        sum(counts.values()) for counts in classes.values()
    ]
    (matrix,) = drawn["together"][1].axes[0].get_images()
    assert matrix.get_array()[0, 4] == 1 and matrix.get_array()[4, 0] == pytest.approx(87 / 175)
    assert figures.png(drawn["3"][1]) == figures.png(figures_of(statistics)["3"][1])


class Page(HTMLParser):
    """Counts what a page holds and where it points to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_data_card_needs_nothing_else_and_runs_nothing(tree: DataTree) -> None:
    statistics = replace(describe(tree), name="<script>alert(1)</script>", missing=("a <b> note",))
    table = TextTable("t", ("<i>", "b"), (("x|y", "<img src=x>"),))
    drawn = list(figures_of(statistics).values())[-2:]
    page = Page()
    page.feed(data_card(statistics, [table], drawn))
    assert "script" not in page.tags and page.tags.count("img") == len(drawn) == 2
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert base64.b64decode(page.sources[0].partition(",")[2]).startswith(b"\x89PNG")
    assert "<script>alert(1)</script>: data card" in page.text and "a <b> note" in page.text
    assert "x\\|y" in table.markdown()
    assert table.text().splitlines()[2:] == [
        "<i>            b",
        "----------------",
        "x|y  <img src=x>",
    ]
    wide = TextTable("t", ("名前", "[b]"), (("ab", "1"),))
    assert wide.text().splitlines()[2:] == ["名前  [b]", "---------", "ab      1"]


def test_statistics_command(
    shared_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["data", "statistics", str(shared_tree), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"No of frames +234,000 +175\n", printed)
    assert sorted(path.name for path in out.iterdir()) == [
        "balance.png", "data_card.html", "figure_1.png", "figure_2.png", "figure_3.png",
        "figure_4.png", "sample.png", "statistics.json", "statistics.md", "together.png",
    ]  # fmt: skip
    counted = json.loads((out / "statistics.json").read_text())
    assert counted["parts"]["au"]["action units"]["AU1"]["train"] == 40
    assert "| No of frames | 234,000 | 175 |" in (out / "statistics.md").read_text()
    assert read_image(out / "figure_1.png").std() > 5
    assert main(["data", "statistics", str(shared_tree), "--out", str(out)]) == 2


def test_show(shared_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, logs = tmp_path / "sample.png", tmp_path / "logs"
    command = ["data", "show", str(shared_tree), "--count", "5", "--out", str(path)]
    assert main([*command, "--tensorboard", str(logs)]) == 0
    assert "5 frames" in capsys.readouterr().out
    first = path.read_bytes()
    assert main(command) == 0 and path.read_bytes() == first, "the same seed, the same picture"
    assert main([*command, "--seed", "1"]) == 0 and path.read_bytes() != first
    assert list(logs.rglob("events*"))
    assert main(["data", "show", str(shared_tree), "--count", "0"]) == 2
    assert main(["data", "show", str(tmp_path)]) == 2


def test_show_prepared_data(prepared: Path, tmp_path: Path) -> None:
    from kaffect.curation.samples import shown_samples
    from tests.data.drawing import read_number

    kind, samples = shown_samples(prepared, 30, seed=0, split="validation")
    assert kind.endswith("(real)") and len(samples) == 30
    for sample in samples:  # track c: 60 frames a second, boxes of the whole frame
        assert sample.track == "c" and read_number(sample.image) == sample.frame - 1
        if sample.valence_arousal is not None:
            assert sample.valence_arousal[0] == pytest.approx((sample.frame - 1) / 200)
    assert main(["data", "show", str(prepared), "--split", "test", "--out",
                 str(tmp_path / "a.png")]) == 0  # fmt: skip


@pytest.mark.parametrize("name", ["I", "II", "III", "IV"])
def test_tables_of_the_paper(
    shared_tree: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--table", name, "--data", str(shared_tree), "--out", str(tmp_path)]
    assert run.main([*command, "--dry-run"]) == 0
    assert not list(tmp_path.iterdir())
    assert run.main(command) == 0
    text = (tmp_path / f"table_{name.lower()}.md").read_text()
    assert {
        "I": "| No of annotators | 3 | not given |",
        "II": "| Arousal | 0.92 | 0.52 | 0.35 | 0.51 | -0.50 |",
        "III": "| AU20 lip stretcher | 9,270 | 5.2 % | 0 | 0.0 % |",
        "IV": "| No of subjects | 56 (25 male; 31 female) | 5 (gender not given) |",
    }[name] in text
    assert (tmp_path / "table_ii.png").exists() == (name == "II")
    assert "report:" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["1", "2", "3", "4"])
def test_figures_of_the_paper(shared_tree: Path, tmp_path: Path, name: str) -> None:
    assert run.main(["--figure", name, "--data", str(shared_tree), "--out", str(tmp_path)]) == 0
    assert read_image(tmp_path / f"figure_{name}.png").shape[0] > 300


def test_a_figure_without_labels(
    shared_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = Path(shutil.copytree(shared_tree, tmp_path / "tree"))
    shutil.rmtree(tree / "annotations/EXPR_Set")
    assert run.main(["--figure", "3", "--data", str(tree), "--out", str(tmp_path)]) == 2
    assert "no labels for figure 3; it shows the expressions" in capsys.readouterr().err
    assert run.main(["--table", "IV", "--data", str(tree), "--out", str(tmp_path)]) == 0
    assert "| No of frames | 288,000 | none |" in (tmp_path / "table_iv.md").read_text()


def test_an_installed_kaffect_without_a_checkout_counts_too(
    tree: DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("kaffect.studies.reference.FOLDER", tmp_path / "none")
    arguments = ["data", "statistics", str(tree.root), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "paper" not in capsys.readouterr().out.splitlines()[0]
    assert (tmp_path / "out" / "data_card.html").is_file()
