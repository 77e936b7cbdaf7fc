"""The page of reliability: 22 promises, tests that exist, figures as they were measured."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.reliability import CHECKS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def nightly() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nightly", ROOT / "scripts" / "nightly.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_test_exists_and_runs_when_it_is_said_to(nightly: ModuleType) -> None:
    found = nightly.functions()
    assert list(CHECKS) == list(range(1, 23))
    for check in CHECKS.values():
        assert check.default, "a sample of every check runs with every change"
        assert set(check.tests) <= found.keys()
        assert all(found[test] for test in check.nightly)
    assert found["tests/test_bit_flips.py::test_five_hundred_flipped_bits"]
    assert not found["tests/test_bit_flips.py::test_flipped_bits"]


def test_the_page_is_that_of_the_lines(nightly: ModuleType) -> None:
    assert nightly.PAGE.read_text(encoding="utf-8") == nightly.page()


def test_what_was_measured_passed_and_the_rest_is_said_to_be_missing(nightly: ModuleType) -> None:
    lines, text = nightly.read_lines(), nightly.page()
    missing = 0
    for number, check in CHECKS.items():
        for test in (*check.tests, *(f"scripts/{script}" for script in check.measured)):
            line = lines.get((number, test))
            if line is None:
                missing += 1
                continue
            assert 0 < line["cases"] == line["passed"] + line["skipped"], test
            assert {"time", "commit", "processor"} <= line.keys()
    assert text.count("| not measured |") == missing
    assert nightly.page({}).count("| not measured |") > missing


def test_a_report_is_read(nightly: ModuleType, tmp_path: Path) -> None:
    def case(name: str, inner: str = "") -> str:
        return f'<testcase classname="tests.a.test_b" name="{name}" time="0.25">{inner}</testcase>'

    def figures(count: int, share: float) -> str:
        values = {"flips": count, "share": share}
        rows = (f'<property name="{k}" value="{v}"/>' for k, v in values.items())
        return f"<properties>{''.join(rows)}</properties>"

    (tmp_path / "report.xml").write_text(
        "<testsuites><testsuite>"
        + case("test_c[x]", figures(500, 0.5))
        + case("test_c[y]", figures(500, 0.25))
        + case("test_d", "<failure/>")
        + case("test_e", "<skipped/>")
        + "</testsuite></testsuites>"
    )
    found = nightly.read_report(tmp_path / "report.xml")
    assert found["tests/a/test_b.py::test_c"] == {
        "cases": 2, "passed": 2, "skipped": 0, "seconds": 0.5,
        "figures": {"flips": 1000, "share": 0.5},
    }  # fmt: skip
    assert found["tests/a/test_b.py::test_d"]["passed"] == 0
    assert found["tests/a/test_b.py::test_e"]["skipped"] == 1
    row = nightly.row("tests/a/test_b.py::test_c", "nightly", {
        **found["tests/a/test_b.py::test_c"], "time": "2026-11-26T10:00:00+00:00",
    })  # fmt: skip
    assert "| 2 of 2 | flips: 1,000; share: 0.5 | 2026-11-26 |" in row


def test_lines_take_the_place_of_earlier_ones(
    nightly: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scripts of a check take long; its tests are kept before they run."""
    monkeypatch.setattr(nightly, "LINES", tmp_path / "lines.jsonl")
    read = nightly.read_lines
    monkeypatch.setattr(nightly, "read_lines", lambda: read(nightly.LINES))
    nightly.keep(1, {"other": {"cases": 1}})
    nightly.keep(2, {"test": {"cases": 1}, "gone": {"cases": 1}, "script": {"cases": 1}})
    nightly.keep(2, {"test": {"cases": 2}}, {"script"})
    nightly.keep(2, {"script": {"cases": 3}}, {"test", "script"})
    found = {key: line["cases"] for key, line in nightly.read_lines().items()}
    assert found == {(1, "other"): 1, (2, "test"): 2, (2, "script"): 3}
