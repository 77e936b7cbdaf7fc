"""The report: which figure stands in which column, what is never averaged, and how it is shown."""

from __future__ import annotations

import re
import statistics
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len

from kaffect.errors import ArtifactError
from kaffect.studies.report import (
    ReferenceRow,
    render_html,
    render_markdown,
    render_terminal,
    summarise,
)

BOTH = ("ccc_valence", "ccc_arousal", "accuracy", "f1_weighted", "f1_macro")
REFERENCE = [
    ReferenceRow(1, "joint, learning rate 1e-4", "joint 1e-4", dict.fromkeys(BOTH, 0.411)),
    ReferenceRow(2, "joint, learning rate 1e-3", "joint 1e-3", dict.fromkeys(BOTH, 0.522)),
    ReferenceRow(3, "only VA", "only VA", {"ccc_valence": 0.633, "ccc_arousal": 0.633}),
]


def run(row=1, value=0.3, **changes):
    """A record of a synthetic run whose every metric is `value`."""
    names = BOTH[:2] if row == 3 else BOTH
    record = {
        "table": "XI",
        "row": row,
        "seed": 0,
        "metrics": dict.fromkeys(names, value),
        "validation": {"score": 2 * value},
        "data_kind": "synthetic",
        "data_name": "synthetic Aff-Wild",
        "profile": "demo",
    }
    return {**record, **changes}


def summary(*runs, **options):
    return summarise(runs, REFERENCE, table="XI", title="Losses", **options)


def headers(result) -> list[str]:
    return [column.header for column in result.columns]


def cell(result, row: int, column: int):
    return next(line for line in result.lines if line.row == row).cells[column]


def test_mean_and_sample_deviation_over_seeds() -> None:
    values = [0.31, 0.42, 0.56]
    result = summary(*[run(value=v, seed=i) for i, v in enumerate(values)])
    found = cell(result, 1, 1).metrics["ccc_valence"]
    assert found.mean == pytest.approx(sum(values) / 3)
    assert found.deviation == pytest.approx(statistics.stdev(values))
    assert found.n == 3
    assert cell(summary(run()), 1, 1).metrics["accuracy"].deviation is None


def test_synthetic_runs_never_stand_under_the_papers_data() -> None:
    result = summary(run(data_name="Aff-Wild"))  # whatever the name says
    assert headers(result) == ["ours (Aff-Wild)", "ours (synthetic, demo)"]
    assert cell(result, 1, 0).n == 0
    assert cell(result, 1, 1).n == 1
    assert result.synthetic and result.heading == "Table XI: Losses [synthetic data]"
    assert result.notes[0].startswith("SYNTHETIC DATA")


def test_real_data_of_other_names_gets_a_column_of_its_own() -> None:
    result = summary(
        run(data_kind="real", data_name="my videos", profile="paper", value=0.2),
        run(data_kind="real", data_name="aff-wild", profile="paper", value=0.6),
        run(data_kind="real", data_name="Aff-Wild", profile="smoke", value=0.1),
    )
    assert headers(result) == ["ours (Aff-Wild)", "ours (Aff-Wild, smoke)", "ours (my videos)"]
    found = [cell(result, 1, i).metrics["accuracy"].mean for i in range(3)]
    assert found == [0.6, 0.1, 0.2]
    assert not result.synthetic and "synthetic" not in render_markdown(result).lower()


def test_profiles_are_not_averaged() -> None:
    result = summary(run(value=0.2, profile="smoke"), run(value=0.4, profile="demo"))
    assert headers(result)[1:] == ["ours (synthetic, smoke)", "ours (synthetic, demo)"]
    assert [cell(result, 1, i).metrics["accuracy"].mean for i in (1, 2)] == [0.2, 0.4]


def test_newest_of_one_row_and_seed_counts() -> None:
    late = run(value=0.5, time="2026-01-02T00:00:00+00:00")
    early = run(value=0.1, time="2026-01-01T00:00:00+00:00")
    for order in ((late, early), (early, late)):
        found = cell(summary(*order), 1, 1)
        assert (found.n, found.metrics["accuracy"].mean) == (1, 0.5)
    found = cell(summary(run(value=0.1), run(value=0.5)), 1, 1)  # without time: the last one
    assert (found.n, found.metrics["accuracy"].mean) == (1, 0.5)


def test_runs_of_other_settings_are_left_out_and_counted() -> None:
    result = summary(
        run(value=0.1, seed=0, settings_hash="old"),
        run(value=0.4, seed=1, settings_hash="new"),
        run(value=0.6, seed=2, settings_hash="new"),
    )
    found = cell(result, 1, 1)
    assert (found.n, found.metrics["accuracy"].mean) == (2, 0.5)
    assert any("1 older run" in note for note in result.notes)


def test_runs_on_another_version_of_the_data_have_a_column_of_their_own() -> None:
    result = summary(run(value=0.1, data_hash="a"), run(value=0.4, seed=1, data_hash="b"))
    headers = [column.header for column in result.columns if column.runs]
    assert len(headers) == 2 and "data a" in headers[0] and "data b" in headers[1]
    means = [cell(result, 1, place).metrics["accuracy"].mean for place in (1, 2)]
    assert means == [0.1, 0.4]
    same = summary(run(value=0.1, data_hash="a"), run(value=0.4, seed=1, data_hash="a"))
    assert not any("data a" in column.header for column in same.columns)


def test_the_scored_split_is_named() -> None:
    def text(*runs) -> str:
        return next(note for note in summary(*runs).notes if note.startswith("Ours:"))

    assert "test split;" in text(run())
    assert "validation split;" in text(run(scored_split="validation"))


def test_best_row_is_chosen_on_validation_among_the_joint_rows() -> None:
    result = summary(
        run(1, value=0.9, validation={"score": 0.5}),  # best on test, but that decides nothing
        run(2, value=0.3, validation={"score": 0.8}),
        run(3, value=0.3, validation={"score": 0.99}),  # one task only: another scale
    )
    assert [cell(result, row, 1).best for row in (1, 2, 3)] == [False, True, False]
    assert any(note.startswith("best: our best row on the validation") for note in result.notes)
    single = summary(run(1))
    assert not cell(single, 1, 1).best  # the best of one row says nothing


def test_baselines_stand_below_and_are_never_best() -> None:
    result = summary(run(1), run(2), run("linear_probe", 0.95), run("constant", 0.0))
    assert [line.label for line in result.baselines] == ["constant predictor", "linear probe 12x12"]
    assert not any(line.cells[1].best for line in result.baselines)
    plain = render_terminal(result, 100).plain
    assert plain.index("1e-3") < plain.index("constant predictor")


def test_other_tables_are_ignored_and_bad_records_are_named() -> None:
    assert not any(line.cells[0].n for line in summary(run(table="X")).lines)
    broken = run()
    del broken["data_kind"], broken["seed"]
    with pytest.raises(ArtifactError, match="record 2: without seed, data_kind"):
        summary(run(), broken)
    with pytest.raises(ArtifactError, match="'real', 'synthetic'.*'made up'"):
        summary(run(data_kind="made up"))


def markdown_rows(result) -> list[dict[str, str]]:
    lines = [line for line in render_markdown(result).splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(table[0], row, strict=True)) for row in table[2:]]


def test_markdown_cells() -> None:
    result = summary(run(1, 0.25), run(1, 0.35, seed=1), run(3, 0.2), run("constant", 0.0))
    first, second, third, constant = markdown_rows(result)
    ours = "Accuracy, ours (synthetic, demo)"
    assert first["Accuracy, paper (Aff-Wild)"] == "0.411"
    assert first[ours] == "0.300 ± 0.071 (n=2)"
    assert first["ours (Aff-Wild)"] == "not run"
    assert second[ours] == "not run"
    assert third[ours] == "—" and third["Accuracy, paper (Aff-Wild)"] == "—"
    assert third["CCC valence, ours (synthetic, demo)"] == "0.200 (n=1)"
    assert constant["row"] == "constant predictor"
    assert constant["Accuracy, paper (Aff-Wild)"] == "—" and constant[ours] == "0.000 (n=1)"


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_terminal_fits_its_width(width: int) -> None:
    runs = [run(row, 0.3 + seed / 10, seed=seed) for row in (1, 2, 3) for seed in (0, 1)]
    result = summary(*runs, run("linear_probe", 0.2), notes=["a long note " * 20])
    lines = render_terminal(result, width).plain.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert lines == [line.rstrip() for line in lines]
    text = "\n".join(lines)
    # Every row and metric once with both figures, however the table is cut.
    assert len(re.findall(r"0\.522", text)) == len(re.findall(r"0\.633", text)) + 3 == 5
    assert len(re.findall(r"0\.350±\.071", text)) == 2 * 5 + 2
    assert text.count("n=2") >= 3
    assert "ours (Aff-Wild): not run" in text or "not run" in lines[6]
    assert "(synthetic, demo)" in text


def test_terminal_keeps_one_table_where_there_is_room() -> None:
    result = summary(run(1), run(2))
    assert render_terminal(result, 160).plain.count("learning rate 1e-3") == 1
    assert render_terminal(result, 70).plain.count("joint 1e-3") == 2


def test_terminal_aligns_wide_characters_and_takes_no_markup() -> None:
    row = ReferenceRow(4, "[red]表情[/red] :smile:", "[red]表情", dict.fromkeys(BOTH, 0.411))
    result = summarise([run(1)], [*REFERENCE, row], table="XI", notes=["注" * 100, "[bold]"])
    for width in (60, 160):
        lines = render_terminal(result, width).plain.splitlines()
        assert max(map(cell_len, lines)) <= width
        first, fourth = (
            [cell_len(line[: line.index("0.411")]) for line in lines if line.startswith(number)]
            for number in (" 1 ", " 4 ")
        )
        assert first == fourth != []
    assert any(line.startswith(" 4 [red]表情[/red] :smile: ") for line in lines)
    assert "- [bold]" in lines


def test_terminal_shortens_names_where_nothing_else_fits() -> None:
    row = ReferenceRow(4, "even longer", "a very long name of a row", dict.fromkeys(BOTH, 0.411))
    lines = render_terminal(summarise([run(4)], [row], table="XI"), 49).plain.splitlines()
    assert sum(line.startswith(" 4 a very long na…") for line in lines) == len(BOTH)
    assert max(map(cell_len, lines)) <= 49


class Page(HTMLParser):
    """Collects tags, attributes and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_self_contained_and_escaped() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=y>"
    result = summarise(
        [run(1), run(9, label=evil, notes=[evil]), run(1, data_kind="real", data_name=evil)],
        [*REFERENCE, ReferenceRow(4, evil, evil, {"accuracy": 0.5})],
        table="XI",
        title=evil,
    )
    text = render_html(result)
    page = Page(text)
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert not [v for k, v in page.attributes if k in ("src", "href") or k.startswith("on")]
    assert "url(" not in text and "http" not in text and "@import" not in text
    assert page.text.count("<script>alert(1)</script>") >= 4  # shown as text
    assert "prefers-color-scheme: dark" in text
    assert "<script>" not in render_markdown(result)


def test_html_table_has_the_right_cells() -> None:
    result = summary(
        run(1, 0.25), run(1, 0.35, seed=1), run(2, 0.2), run(3, 0.2), run("constant", 0.0)
    )
    text = render_html(result)
    table = ElementTree.fromstring(text[text.index("<table>") : text.index("</table>") + 8])
    spans = [int(head.get("colspan", 1)) for head in table.find("thead")[0]]
    assert spans == [1, 5, 1, 6]
    rows = ["".join(e.itertext()) for body in table.iter("tbody") for e in body]
    joint = "1 joint, learning rate 1e-4" + "0.411" * 5
    assert rows[0] == joint + "not run" + "n=2 best" + "0.300± 0.071" * 5
    assert rows[2] == "3 only VA0.6330.633———not runn=10.2000.200———"
    assert rows[3] == " constant predictor" + "—" * 5 + "not run" + "n=1" + "0.000" * 5
    assert all(len(row) == 1 + 5 + 1 + 6 for body in table.iter("tbody") for row in body)


def test_plots_show_each_figure_where_it_belongs() -> None:
    result = summary(run(1, 0.2), run(1, 0.4, seed=1), run(2, 0.8), run("constant", 0.1))
    text = render_html(result)
    svg = re.search(r'<svg [^>]*aria-label="Accuracy.*?</svg>', text, re.DOTALL).group()
    plot = ElementTree.fromstring(svg)
    ticks = {t.text: float(t.get("x")) for t in plot.iter("text") if t.get("class") == "tick"}

    def expected(value: float) -> float:
        return ticks["0.0"] + value / 0.8 * (ticks["0.8"] - ticks["0.0"])

    groups = {group.find("title").text: group for group in plot.iter("g")}
    first = groups["joint, learning rate 1e-4"]
    assert float(first.find("circle").get("cx")) == pytest.approx(expected(0.411), abs=0.1)
    points = first.find("polygon").get("points").split()
    assert float(points[0].split(",")[0]) == pytest.approx(expected(0.3), abs=0.1)
    # Whiskers are intervals; a deviation alone has none.
    assert not [line for line in first.iter("line") if line.get("class") == "mark synthetic"]
    assert len(list(groups["only VA"])) == 3  # title, number, grid line: neither was measured
    (baseline,) = [line for line in plot.iter("line") if "baseline" in line.get("class")]
    assert float(baseline.get("x1")) == pytest.approx(expected(0.1), abs=0.1)


def test_without_any_run() -> None:
    result = summary()
    assert headers(result) == ["ours (Aff-Wild)"]
    assert all(row["ours (Aff-Wild)"] == "not run" for row in markdown_rows(result))
    assert "not run" in render_html(result) and "not run" in render_terminal(result, 80).plain
    assert "no runs yet" in render_terminal(result, 80).plain
