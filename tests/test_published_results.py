"""The pages of results are those that their lines give, and nothing synthetic goes unnamed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def publish() -> ModuleType:
    path = ROOT / "scripts" / "publish_results.py"
    spec = importlib.util.spec_from_file_location("publish_results", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_and_readme_are_those_of_the_lines(publish: ModuleType) -> None:
    assert publish.PAGE.read_text(encoding="utf-8") == publish.page()
    readme = publish.README.read_text(encoding="utf-8")
    assert readme == publish.with_table(readme)


def test_what_is_published_is_called_synthetic_and_has_several_seeds(publish: ModuleType) -> None:
    for table, folder in publish.published():
        records = list(publish.read_records(folder / f"{folder.name}.jsonl"))
        trained = [record for record in records if isinstance(record["row"], int)]
        assert {record["data_kind"] for record in records} == {"synthetic"}
        assert len({record["seed"] for record in trained}) >= 3, table.name
        assert {record["precision"] for record in trained} == {"float32"}
        assert "SYNTHETIC DATA" in publish.section(table, folder)


def test_a_changed_line_changes_the_page(publish: ModuleType, tmp_path: Path) -> None:
    for table, folder in publish.published():
        publish.keep(folder, tmp_path)
        before = publish.section(table, folder)
        lines = tmp_path / folder.name / f"{folder.name}.jsonl"
        assert publish.section(table, lines.parent) == before
        text = lines.read_text()
        shown = next(publish.read_records(lines))["metrics"]
        metric = next(m for m in ("accuracy", "ccc_valence", "au_accuracy") if m in shown)
        number = f'"{metric}": 0.'
        assert number in text
        lines.write_text(text.replace(number, f"{number}0", 1))
        assert publish.section(table, lines.parent) != before


def test_no_sums_are_kept_that_no_line_names(publish: ModuleType) -> None:
    for _, folder in publish.published():
        records = publish.read_records(folder / f"{folder.name}.jsonl")
        named = {record["clusters"] for record in records if "clusters" in record}
        kept = {path.relative_to(folder).as_posix() for path in folder.glob("clusters/*")}
        assert kept == named
