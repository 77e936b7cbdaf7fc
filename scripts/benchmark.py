"""Runs the benchmarks: `python scripts/benchmark.py [NAME ...] [--turns N] [--keep]`.

Variants of a benchmark (ours in each precision, PyTorch's where it is installed) take turns, each
in a process of its own; medians are compared. One table of figures says what was reached, with
processor, instructions, load and number of turns. `--keep` puts the results into
docs/performance.jsonl (one line for each machine and benchmark) and docs/performance.md.

    python scripts/benchmark.py --list
    python scripts/benchmark.py gan resnet vggface --keep      # training steps against PyTorch
    python scripts/benchmark.py --page                         # docs/performance.md of its lines

To add a benchmark, write `scripts/benchmarks/NAME.py` with a `BENCHMARK` of
`scripts.benchmarks.frame`; nothing lists the names. `renderer.py` is a short one:

- `variants`: name -> `Variant(make)`. `make()` prepares the work in the variant's own process and
  gives a function; each call of it is one step, and is timed. Import TensorFlow, PyTorch and
  kaffect within `make`: the file itself is imported by the command, too. `needs=("torch",)` or
  `("bfloat16",)` leaves a variant out where that is missing. With `own_time=True` the step returns
  the seconds that count (of the first row of a program that it starts, of one frame of a stream).
- `figures`: `ratio(name, above, below, least=...)` compares the fastest of some variants; any
  other number is `Figure(name, function of the results, least=... or most=...)`, where
  `results[variant]` has `.seconds` and `.processor_seconds` (medians of a step), `.times` (all of
  them) and `.peak_mib`. What is wanted may differ by processor: `least={"amx_bf16": 1.3,
  "else": 1.6}`.
- `amount`, `unit`: what a step does, for a rate, such as 64 "images".
- Processes that together do not fit into memory: `resident=False` starts a new one each turn.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.studies.results import commit, now  # noqa: E402
from scripts.benchmarks.frame import Benchmark, Samples, machine, page  # noqa: E402
from scripts.benchmarks.frame.machine import kind_here, missing  # noqa: E402
from scripts.benchmarks.frame.measure import LeftOut, figures_of, measure  # noqa: E402
from scripts.benchmarks.frame.process import Process, serve  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "benchmarks"


def names() -> list[str]:
    """Of all benchmarks."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def find(name: str) -> Benchmark:
    """The benchmark of a name."""
    found: Benchmark = importlib.import_module(f"scripts.benchmarks.{name}").BENCHMARK
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python scripts/benchmark.py", description="Time ours beside the alternatives."
    )
    found.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; all without one")
    found.add_argument("--turns", type=int, help="of each variant (default: the benchmark's)")
    found.add_argument("--steps", type=int, help="timed steps of a turn (default: the benchmark's)")
    found.add_argument("--variants", nargs="+", default=[], metavar="V", help="only these")
    found.add_argument("--keep", action="store_true", help="write docs/performance.{jsonl,md}")
    found.add_argument("--list", action="store_true", help="say what there is")
    found.add_argument("--page", action="store_true", help="write the page of the kept lines")
    found.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    return found


def main(words: Sequence[str] | None = None) -> int:
    """The command: 0, or 2 where a benchmark is unknown or nothing of it could be measured."""
    options = parser().parse_args(words)
    if options.worker:
        name, variant, steps = options.worker
        benchmark = find(name)
        serve(benchmark.variants[variant], int(steps), benchmark.warmup)
        return 0
    unknown = [name for name in options.names if name not in names()]
    if unknown:
        print(f"benchmark: no {unknown[0]!r}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    if options.keep and options.variants:
        print("benchmark: --keep wants all variants, not --variants", file=sys.stderr)
        return 2
    if options.list:
        for name in names():
            print(f"{name:12s} {find(name).title}")
        return 0
    if options.page:
        page.write_page(page.read_lines())
        return 0
    return run(options)


def run(options: argparse.Namespace) -> int:
    """Measure, say, and keep if wanted."""
    lines = []
    for name in options.names or names():
        line = result(name, options)
        if line["variants"]:
            lines.append(line)
            show(line)
            if options.keep:
                page.write_page(page.keep([line]))
    return 0 if lines else 2


def result(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The results of one benchmark."""
    benchmark = find(name)
    wanted = [v for v in benchmark.variants if not options.variants or v in options.variants]
    steps, turns = options.steps or benchmark.steps, options.turns or benchmark.turns
    print(f"{name}: {benchmark.title}", flush=True)

    def start(variant: str) -> Process:
        chosen = benchmark.variants[variant]
        reason = missing(chosen.needs, chosen.mib)
        if reason:
            raise LeftOut(reason)
        script = str(Path(__file__).resolve())
        return Process([sys.executable, script, "--worker", name, variant, str(steps)])

    begun, before = time.perf_counter(), os.getloadavg()[0]

    def say(text: str) -> None:
        print(text, flush=True)

    found, left_out = measure(wanted, start, turns, benchmark.resident, say)
    spent = time.perf_counter() - begun
    return {
        "benchmark": name,
        "machine": machine.machine(),
        "instructions": machine.instructions(),
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "turns": turns,
        "took": round(spent),
        **described(benchmark, found, left_out),
        "versions": machine.versions(),
        "commit": commit(),
        "time": now(),
    }


def described(
    benchmark: Benchmark, found: Mapping[str, Samples], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """What is kept of a benchmark's results."""
    wanted = {figure.name: figure.wanted(kind_here()) for figure in benchmark.figures}
    return {
        "title": benchmark.title,
        "amount": benchmark.amount,
        "unit": benchmark.unit,
        "variants": {
            name: {
                "seconds": round(samples.seconds, 6),
                "processor_seconds": round(samples.processor_seconds, 6),
                "peak_mib": round(samples.peak_mib, 1),
                "steps": len(samples.times),
            }
            for name, samples in found.items()
        },
        "figures": {
            name: None if value is None else round(value, 5)
            for name, value in figures_of(benchmark, found).items()
        },
        "wanted": {name: bound for name, bound in wanted.items() if bound},
        "left_out": dict(left_out),
    }


def show(line: Mapping[str, Any]) -> None:
    """Prints the results of one benchmark."""
    print(f"\n{line['title']}\n{line['machine']} ({', '.join(line['instructions'])}); "
          f"load {line['load'][0]} to {line['load'][1]}; {line['turns']} turns, "
          f"{line['took']} s")  # fmt: skip
    print("\n".join(page.rows(line)))
    for name, value in line["figures"].items():
        wanted = f" (wanted {line['wanted'][name]})" if name in line["wanted"] else ""
        print(f"{name}: {'not measured' if value is None else f'{value:.3g}'}{wanted}")
    for name, why in line["left_out"].items():
        print(f"left out: {name}: {why}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
