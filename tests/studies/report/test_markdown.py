"""The report as Markdown."""

from __future__ import annotations

from tests.studies.report.runs import markdown_rows, run, summary


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
