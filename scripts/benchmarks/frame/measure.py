"""What a benchmark is, the order in which its variants take turns, and medians and figures."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Step = Callable[[], Any]
Wanted = float | Mapping[str, float]
Time = tuple[float, float]  # seconds and processor seconds of a step


@dataclass(frozen=True)
class Variant:
    """One way to do the work of a benchmark.

    Attributes:
        make: prepares it, in a process of its own, and gives what is timed: one step. Imports
            of TensorFlow or PyTorch belong in here.
        needs: "torch" (PyTorch), "bfloat16" (instructions for it); without them it is left out.
        own_time: the step gives the seconds that count, as it measured them itself, or a pair of
            seconds and processor seconds.
        mib: memory that must be free for it.
        steps, warmup: timed steps of a turn, untimed ones at the start; None: the benchmark's.
    """

    make: Callable[[], Step]
    needs: tuple[str, ...] = ()
    own_time: bool = False
    mib: float = 0.0
    steps: int | None = None
    warmup: int | None = None


@dataclass
class Samples:
    """What was measured of a variant: a time for each step, and the largest memory in MiB."""

    times: list[Time] = field(default_factory=list)
    peak_mib: float = 0.0

    @property
    def seconds(self) -> float:
        """Median of a step."""
        return statistics.median(wall for wall, _ in self.times)

    @property
    def processor_seconds(self) -> float:
        """Median; it hardly depends on what else the machine does."""
        return statistics.median(busy for _, busy in self.times)


Results = Mapping[str, Samples]


@dataclass(frozen=True)
class Figure:
    """A number computed of the results, and what is wanted of it.

    Attributes:
        name: with its unit.
        of: the results -> the number. A `KeyError` (a variant is not there) and `ValueError`
            mean that it was not measured.
        least, most: what is wanted; for each kind of processor ("amx_bf16", "avx512_bf16",
            "plain") where it is a mapping, "else" for the others.
    """

    name: str
    of: Callable[[Results], float]
    least: Wanted | None = None
    most: Wanted | None = None

    def wanted(self, kind: str) -> str:
        """Such as ">= 1.6" on a kind of processor, or nothing."""
        for sign, bound in ((">=", self.least), ("<=", self.most)):
            if isinstance(bound, Mapping):
                bound = bound.get(kind, bound.get("else"))
            if bound is not None:
                return f"{sign} {bound:g}"
        return ""


def ratio(
    name: str,
    above: Sequence[str],
    below: Sequence[str],
    least: Wanted | None = None,
    most: Wanted | None = None,
    of: str = "seconds",
) -> Figure:
    """Median of the fastest variant `above` over that of the fastest variant `below`.

    Args:
        of: "seconds", "processor_seconds" or "peak_mib".
    """

    def smallest(results: Results, names: Sequence[str]) -> float:
        found: list[float] = [getattr(results[name], of) for name in names if name in results]
        return min(found)

    return Figure(name, lambda found: smallest(found, above) / smallest(found, below), least, most)


@dataclass(frozen=True)
class Benchmark:
    """What is timed.

    Attributes:
        title: what one step is.
        variants: name -> way to do it; they take turns.
        figures: of the results, in the order in which they are shown.
        amount, unit: done in a step, such as 64 "images", for a rate.
        steps, warmup: timed steps of each turn, untimed ones in front of the first.
        turns: of each variant, unless the command says how many.
        resident: the processes stay between their turns, and warm up once; False, where they
            would not fit into memory together: a new process for each turn.
        needs: of all variants.
    """

    title: str
    variants: Mapping[str, Variant]
    figures: Sequence[Figure] = ()
    amount: float = 0.0
    unit: str = ""
    steps: int = 2
    warmup: int = 2
    turns: int = 3
    resident: bool = True


class LeftOut(Exception):
    """A variant cannot be measured here; says why."""


class Worker(Protocol):
    """The process of a variant."""

    def turn(self) -> list[Time]:
        """Times of the steps of one turn."""

    def close(self) -> float:
        """Ends it; gives the largest memory that it took, in MiB."""


def order(names: Sequence[str], turn: int) -> list[str]:
    """Who measures when in a turn: each turn begins with another variant."""
    first = turn % len(names)
    return [*names[first:], *names[:first]]


def measure(
    names: Sequence[str],
    start: Callable[[str], Worker],
    turns: int,
    resident: bool,
    say: Callable[[str], None] = print,
) -> tuple[dict[str, Samples], dict[str, str]]:
    """Variants take turns, so that whatever else the machine does meets all of them.

    Args:
        names: of the variants.
        start: makes the process of one, warmed up.
        resident: it stays until all turns are over.

    Returns:
        What was measured, in the order of `names`; and why which variants were left out.

    Raises:
        LeftOut: never; what `start` or a turn raises of it leaves that variant out.
    """
    found: dict[str, Samples] = {name: Samples() for name in names}
    workers: dict[str, Worker] = {}
    left_out: dict[str, str] = {}
    try:
        for turn, name in _turns(names, turns):
            if name in left_out:
                continue
            try:
                worker = workers.pop(name, None) or start(name)
                workers[name] = worker
                times = worker.turn()
            except LeftOut as error:
                left_out[name] = str(error)
                say(f"  {name}: left out: {error}")
                continue
            found[name].times += times
            say(
                f"  turn {turn + 1} of {turns}, {name}: "
                + ", ".join(f"{t:.3g} s" for t, _ in times)
            )
            if not resident:
                found[name].peak_mib = max(found[name].peak_mib, workers.pop(name).close())
    finally:
        for name, worker in workers.items():
            found[name].peak_mib = max(found[name].peak_mib, worker.close())
    measured = {n: samples for n, samples in found.items() if samples.times and n not in left_out}
    return measured, left_out


def _turns(names: Sequence[str], turns: int) -> Iterator[tuple[int, str]]:
    for turn in range(turns):
        for name in order(names, turn):
            yield turn, name


def figures_of(benchmark: Benchmark, results: Results) -> dict[str, float | None]:
    """Each figure by name; None where a variant that it needs was left out."""
    found: dict[str, float | None] = {}
    for figure in benchmark.figures:
        try:
            found[figure.name] = figure.of(results)
        except (KeyError, ValueError):
            found[figure.name] = None
    return found
