"""The frame of the benchmarks with made-up variants: turns, medians, what is left out, the page."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import benchmark
from scripts.benchmarks import ray_workers
from scripts.benchmarks.frame import Benchmark, Figure, Samples, Variant, machine, page, ratio
from scripts.benchmarks.frame.measure import LeftOut, figures_of, measure, order
from scripts.benchmarks.frame.process import Process, timed


class FakeWorker:
    """Notes who measures when; each step takes what it is told."""

    def __init__(self, name: str, log: list[str], seconds: list[float]) -> None:
        self.name, self.log, self.seconds = name, log, seconds
        log.append(f"start {name}")

    def turn(self) -> list[tuple[float, float]]:
        self.log.append(self.name)
        if not self.seconds:
            raise LeftOut("it fell over")
        return [(self.seconds.pop(0), 0.5)]

    def close(self) -> float:
        self.log.append(f"end {self.name}")
        return {"a": 10.0, "b": 20.0}.get(self.name, 5.0)


def measured(
    seconds: dict[str, list[float]], turns: int, resident: bool = True
) -> tuple[list[str], dict[str, Samples], dict[str, str]]:
    log: list[str] = []

    def start(name: str) -> FakeWorker:
        if name == "none":
            raise LeftOut("no such instructions")
        return FakeWorker(name, log, seconds[name])

    found, left_out = measure(list(seconds), start, turns, resident, say=lambda _: None)
    return log, found, left_out


def test_variants_take_turns_and_each_is_first_once() -> None:
    assert [order("abc", turn) for turn in range(4)] == [
        list(x) for x in ("abc", "bca", "cab", "abc")
    ]
    log, found, left_out = measured({"a": [1.0, 9.0, 2.0], "b": [4.0, 4.0, 5.0]}, 3)
    assert log == ["start a", "a", "start b", "b", "b", "a", "a", "b", "end a", "end b"]
    assert found["a"].times == [(1.0, 0.5), (9.0, 0.5), (2.0, 0.5)] and not left_out
    assert (found["a"].seconds, found["b"].seconds) == (2.0, 4.0), "medians"
    assert (found["a"].peak_mib, found["b"].peak_mib) == (10.0, 20.0)


def test_processes_that_do_not_fit_together_end_with_their_turn() -> None:
    log, found, _ = measured({"a": [1.0, 1.0], "b": [2.0, 2.0]}, 2, resident=False)
    one = [f"start {n} {n} end {n}" for n in ("a", "b", "b", "a")]
    assert " ".join(log) == " ".join(one)
    assert len(found["a"].times) == 2


def test_a_variant_is_left_out_and_the_others_go_on() -> None:
    log, found, left_out = measured({"none": [], "a": [1.0], "b": [2.0, 3.0]}, 2)
    assert left_out == {"none": "no such instructions", "a": "it fell over"}
    assert list(found) == ["b"] and found["b"].seconds == 2.5
    assert log.count("end a") == 1, "its process is ended"


BENCHMARK = Benchmark(
    title="one step of a test",
    variants={
        "ours": Variant(lambda: lambda: 0.25, own_time=True),
        "broken": Variant(lambda: 1 // 0),  # type: ignore[arg-type, return-value]
        "theirs": Variant(lambda: lambda: (0.5, 0.125), ("torch",), own_time=True),
    },
    figures=[
        ratio("theirs / ours", ["theirs", "other"], ["ours"], least={"amx_bf16": 1.3, "else": 1.6}),
        ratio("broken / ours", ["broken"], ["ours"]),
        Figure("steps", lambda found: len(found["ours"].times), most=3),
    ],
    amount=64,
    unit="images",
)


def test_figures_and_what_is_wanted_of_them() -> None:
    results = {
        "ours": Samples([(2.0, 1.0)]),
        "theirs": Samples([(4.0, 1.0), (8.0, 3.0)]),
        "other": Samples([(5.0, 9.0)]),
    }
    assert figures_of(BENCHMARK, results) == {
        "theirs / ours": 2.5, "broken / ours": None, "steps": 1
    }  # fmt: skip
    busy = ratio("", ["theirs"], ["ours"], of="processor_seconds")
    assert busy.of(results) == 2.0
    first, _, last = BENCHMARK.figures
    assert first.wanted("amx_bf16") == ">= 1.3" and first.wanted("plain") == ">= 1.6"
    assert last.wanted("plain") == "<= 3" and busy.wanted("plain") == ""


def test_steps_may_measure_themselves() -> None:
    assert timed(lambda: (0.5, 0.125), 2, own_time=True) == [(0.5, 0.125)] * 2
    ((wall, busy),) = timed(lambda: 0.25, 1, own_time=True)
    assert wall == 0.25 and busy >= 0.0
    ((wall, _),) = timed(lambda: 100.0, 1)
    assert wall < 100.0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The command with the benchmark "made_up", lines and page in a folder."""
    (tmp_path / "page.md").write_text(f"# Before\n{page.BEGIN}\nold\n{page.END}\n# After\n")
    (tmp_path / "made_up.py").write_text("from tests.test_benchmarks import BENCHMARK\n")
    monkeypatch.setattr(benchmark, "FOLDER", tmp_path)
    monkeypatch.setattr(benchmark, "find", lambda name: BENCHMARK)
    monkeypatch.setattr(machine, "machine", lambda: "a machine")
    monkeypatch.setattr(page, "LINES", tmp_path / "lines.jsonl")
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    return tmp_path


class Inside:
    """In the place of a process: the variant in this one."""

    def __init__(self, command: list[str]) -> None:
        name, variant, steps = command[command.index("--worker") + 1 :]
        assert (name, steps) == ("made_up", "2")
        self.variant = BENCHMARK.variants[variant]
        try:
            self.step = self.variant.make()
        except ZeroDivisionError as error:
            raise LeftOut("its process ended with code 1") from error

    def turn(self) -> list[tuple[float, float]]:
        return timed(self.step, 2, self.variant.own_time)

    def close(self) -> float:
        return 512.0


def test_the_command_measures_shows_and_keeps(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "Process", Inside)
    monkeypatch.setattr(benchmark, "kind_here", lambda: "plain")
    monkeypatch.setattr(
        benchmark, "missing", lambda needs, _: "PyTorch: pip install" if needs else ""
    )
    assert benchmark.main(["--turns", "1", "--keep"]) == 0
    shown = capsys.readouterr().out
    assert "| ours | 0.25 |" in shown and "| 256 | 512 | 2 |" in shown
    assert "left out: theirs: PyTorch: pip install" in shown
    assert "theirs / ours: not measured (wanted >= 1.6)" in shown
    (line,) = map(json.loads, (run / "lines.jsonl").read_text().splitlines())
    assert line["variants"]["ours"]["seconds"] == 0.25 and line["turns"] == 1
    assert line["figures"] == {"theirs / ours": None, "broken / ours": None, "steps": 2}
    text = (run / "page.md").read_text()
    assert text.startswith("# Before\n") and text.endswith("\n# After\n") and "old" not in text
    # Measured again, now with the other library.
    monkeypatch.setattr(benchmark, "missing", lambda *_: "")
    assert benchmark.main(["made_up", "--turns", "3", "--keep"]) == 0
    (line,) = map(json.loads, (run / "lines.jsonl").read_text().splitlines())
    assert line["figures"]["theirs / ours"] == 2.0 and line["turns"] == 3
    text = (run / "page.md").read_text()
    assert "| made_up | theirs / ours | 2 | >= 1.6 |" in text
    assert text.index("| ours |") < text.index("| theirs |") < text.index("# After"), "their order"
    assert list(line["figures"]) == [figure.name for figure in BENCHMARK.figures]


def test_wrong_words_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["nothing"]) == 2
    assert "no 'nothing'; there are made_up" in capsys.readouterr().err
    assert benchmark.main(["made_up", "--keep", "--variants", "ours"]) == 2
    assert benchmark.main(["--list"]) == 0
    assert "made_up" in capsys.readouterr().out


def test_a_process_answers_and_its_end_is_explained() -> None:
    """`serve` in a real process: what libraries print does not disturb the answers."""
    code = (
        "from scripts.benchmarks.frame.measure import Variant\n"
        "from scripts.benchmarks.frame.process import serve\n"
        "def make():\n"
        "    print('a library greets')\n"
        "    times = iter([9.0, 0.5, 0.25])\n"
        "    return lambda: next(times)\n"
        "serve(Variant(make, own_time=True), steps=1, warmup=1)\n"
    )
    process = Process([sys.executable, "-c", code])
    assert [process.turn()[0][0] for _ in range(2)] == [0.5, 0.25], "9.0 was the warm-up"
    assert process.close() > 5
    process = Process([sys.executable, "-c", code.replace("steps=1", "steps=3")])
    with pytest.raises(LeftOut, match="ended with code 1: StopIteration"):
        process.turn()
    assert process.close() == 0.0


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "processor_flags", lambda: frozenset({"avx2", "fma"}))
    assert machine.missing(["bfloat16"]) == "the processor has none of amx_bf16, avx512_bf16"
    assert machine.instructions() == ["avx2", "fma"]
    assert machine.machine(2).endswith("no bfloat16 instructions, 2 processors")
    monkeypatch.setattr(machine, "processor_flags", lambda: frozenset({"avx512_bf16"}))
    assert machine.missing(["bfloat16"]) == ""
    assert machine.machine(1).endswith("avx512_bf16 without AMX, 1 processor")
    monkeypatch.setattr(machine, "free_mib", lambda: 2000.0)
    assert machine.missing([], 1999.0) == ""
    assert machine.missing([], 3000.0) == "it takes about 3000 MiB of memory, 2000 MiB are free"
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    assert machine.missing(["torch"]) == "PyTorch is not installed: pip install torch==2.13.0"


def a_line(machine_name: str, name: str, value: float | None) -> dict[str, Any]:
    return {
        "machine": machine_name, "benchmark": name, "instructions": ["avx2"], "load": [0.1, 1.25],
        "turns": 3, "title": "T", "amount": 0, "unit": "", "time": "2026-11-26T10:00:00+00:00",
        "commit": "abc", "versions": {"torch": "2"}, "left_out": {"x": "why"},
        "variants": {"v": {"seconds": 2.0, "processor_seconds": 1.0, "peak_mib": 7.4, "steps": 6}},
        "figures": {"f": value}, "wanted": {"f": ">= 1"},
    }  # fmt: skip


def test_the_page_has_a_section_for_each_machine(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    page.keep([a_line("Z", "gan", 1.5), a_line("A", "gan", None)], path)
    lines = page.keep([a_line("Z", "gan", 2.5)], path)
    assert [line["machine"] for line in lines] == ["A", "Z"], "the newer line counts"
    text = page.tables(lines)
    first, second = text.index("### A\n"), text.index("### Z\n")
    assert first < text.index("| gan | f | not measured | >= 1 |") < second
    assert second < text.index("| gan | f | 2.5 | >= 1 |")
    assert "| v | 2 | 1 | 7 | 6 |" in text and "x: left out, why." in text
    assert "T. Medians of 3 turns, load 0.1 to 1.2, 2026-11-26, commit abc, torch 2." in text
    with pytest.raises(ValueError, match="has no part"):
        page.with_tables("nothing", lines)


def test_the_page_in_docs_is_that_of_its_lines() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_tables(text, page.read_lines()) == text


@pytest.mark.parametrize("name", benchmark.names())
def test_every_benchmark_can_be_found(name: str) -> None:
    found = benchmark.find(name)
    assert found.title and found.variants and found.turns > 0
    wanted = [figure.name for figure in found.figures]
    assert len(set(wanted)) == len(wanted)
    assert isinstance(benchmark.parser(), argparse.ArgumentParser)


def test_only_the_training_of_rows_on_ray_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 13.0, 99.0])
    monkeypatch.setattr(ray_workers.time, "monotonic", lambda: next(clock))
    script = tmp_path / "run.py"
    script.write_text("for line in ('a', 'Ray: 2 jobs', 'row 1', 'report: a', 'report: b'):\n"
                      "    print(line)\n")  # fmt: skip
    command = [sys.executable, str(script)]
    assert ray_workers.seconds_between(command, {}) == 3.0
    script.write_text("raise SystemExit(3)\n")
    with pytest.raises(RuntimeError, match="run.py: exit code 3"):
        ray_workers.seconds_between(command, {})
