"""Which figure stands in which column, and what is never averaged."""

from __future__ import annotations

import statistics

import pytest

from kaffect.errors import ArtifactError
from kaffect.studies.report import (
    ReferenceRow,
    render_html,
    render_markdown,
    render_terminal,
    summarise,
)
from tests.studies.report.runs import BOTH, cell, markdown_rows, run, summary


def headers(result) -> list[str]:
    return [column.header for column in result.columns]


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
    assert [bool(cell(result, row, 1).mark) for row in (1, 2, 3)] == [False, True, False]
    assert any(note.startswith("best: our best row on the validation") for note in result.notes)
    single = summary(run(1))
    assert not cell(single, 1, 1).mark  # the best of one row says nothing


def test_a_table_without_published_figures_has_columns_of_ours_alone() -> None:
    rows = [ReferenceRow(1, "mine", "mine", {}), ReferenceRow(2, "other", "other", {})]
    result = summarise([run(1), run(2)], rows, table="XI", metrics=BOTH[:1])
    assert headers(result) == ["ours (synthetic, demo)"] and not result.published
    for text in (render_html(result), render_markdown(result), render_terminal(result, 100).plain):
        assert "paper (Aff-Wild)" not in text and "single runs" not in text
        assert "not run" not in text and "0.300" in text.replace(" .300", "0.300")
    assert markdown_rows(result)[0] == {
        "#": "1", "row": "mine", "CCC valence, ours (synthetic, demo)": "0.300 (n=1, best)"
    }  # fmt: skip


def test_a_table_may_name_the_row_that_others_are_compared_with() -> None:
    runs = [run(number, value=0.1 * number) for number in (1, 2, 3)]
    result = summary(*runs, against=1)
    assert [cell(result, row, 1).mark for row in (1, 2, 3)] == ["reference", "", ""]
    assert not any("best row" in note for note in result.notes)
    assert "n=1 reference" in render_html(result) and "(n=1, reference)" in render_markdown(result)
    absent = summary(*runs[1:], against=1)
    assert not any(cell(absent, row, 1).mark for row in (2, 3))


def test_baselines_stand_below_and_are_never_best() -> None:
    result = summary(run(1), run(2), run("linear_probe", 0.95), run("constant", 0.0))
    assert [line.label for line in result.baselines] == ["constant predictor", "linear probe 12x12"]
    assert not any(line.cells[1].mark for line in result.baselines)
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


def test_without_any_run() -> None:
    result = summary()
    assert headers(result) == ["ours (Aff-Wild)"]
    assert all(row["ours (Aff-Wild)"] == "not run" for row in markdown_rows(result))
    assert "not run" in render_html(result) and "not run" in render_terminal(result, 80).plain
    assert "no runs yet" in render_terminal(result, 80).plain
