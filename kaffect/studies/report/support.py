"""What the figures of a table can support, said in its notes (Section V; docs/statistics.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kaffect.studies.report.best import Best
from kaffect.studies.report.cells import Cell, Column, Interval, Line, Statistic
from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.notes import Wording
from kaffect.studies.stored_sums import CRITERIA

_TASKS = {"va": "valence and arousal", "expression": "expressions", "au": "Action Units"}
# Below it, the coverage of intervals was not measured.
_FEWEST = 10


def support_notes(
    columns: Sequence[Column],
    lines: Sequence[Line],
    metrics: Sequence[str],
    bests: Sequence[Best],
    wording: Wording,
) -> list[str]:
    """Of each column: what its intervals are, which are missing and why, best row and stars."""
    shown = [place for place, column in enumerate(columns) if column.runs]
    notes = []
    for place in shown:
        rows = [(line.row or 0, line.cells[place]) for line in lines if line.cells[place].n]
        own = [*_intervals(rows, metrics), *_missing(rows, metrics), *_best(bests[place], wording)]
        own += [*_stars(rows, metrics, bests[place]), *_parts(rows, metrics, bests[place])]
        before = f"{columns[place].header}: " if len(shown) > 1 else ""
        notes += [before + note for note in own]
    return notes


Rows = Sequence[tuple[int, Cell]]


def _figures(rows: Rows, metrics: Sequence[str]) -> Iterator[tuple[int, str, Statistic]]:
    for number, cell in rows:
        for metric in metrics:
            if metric in cell.metrics:
                yield number, metric, cell.metrics[metric]


def _intervals(rows: Rows, metrics: Sequence[str]) -> Iterator[str]:
    found = [(m, s.interval) for _, m, s in _figures(rows, metrics) if s.interval is not None]
    several = [(m, interval) for m, interval in found if interval.seeds > 1]
    single = [(m, interval) for m, interval in found if interval.seeds == 1]
    if several:
        seeds = _listed(sorted({interval.seeds for _, interval in several}))
        yield (
            f"[low, high]: 95 % interval over seeds and people, for other seeds and other people: "
            f"{seeds} seeds, {_clusters(several)}."
        )
    if single:
        which = " of rows with one seed" if several else ""
        yield (
            f"[low, high]{which}: 95 % interval over people alone: {_clusters(single)}. What "
            "another seed would give is not in it."
        )
    if any(interval.clusters < _FEWEST for _, interval in found):
        yield (
            "With fewer than ten people or videos, how often such an interval holds was not "
            "measured (docs/statistics.md)."
        )
    if any(interval.counted.endswith("pictures") for _, interval in found):
        yield "Single pictures are taken as independent: a list does not say whose they are."
    never = [METRICS[m][0] for m in metrics if m in METRICS and m not in CRITERIA]
    if found and never:
        yield f"{_listed(never)}: without interval, as no sums over people give them."


def _clusters(found: Iterable[tuple[str, Interval]]) -> str:
    """How many people or videos; by task where that differs."""
    by_task: dict[str, set[str]] = {}
    for metric, interval in found:
        by_task.setdefault(CRITERIA[metric][0], set()).add(interval.counted)
    if len(set().union(*by_task.values())) == 1:
        return next(iter(by_task.values())).pop()
    return ", ".join(
        f"{' or '.join(sorted(counts))} ({_TASKS[task]})" for task, counts in by_task.items()
    )


def _missing(rows: Rows, metrics: Sequence[str]) -> Iterator[str]:
    """Why figures have no interval, one line for each reason."""
    found: dict[str, dict[int, list[str]]] = {}
    possible: dict[int, int] = {}
    for number, metric, statistic in _figures(rows, metrics):
        possible[number] = possible.get(number, 0) + (metric in CRITERIA)
        if statistic.reason:
            names = found.setdefault(statistic.reason, {}).setdefault(number, [])
            names.append(METRICS[metric][0])
    for reason, by_row in found.items():
        whole = all(len(names) == possible[number] for number, names in by_row.items())
        named = dict.fromkeys(name for names in by_row.values() for name in names)
        where = [] if len(by_row) == len(rows) else [_rows(by_row)]
        where += [] if whole else [_listed([*named])]
        yield f"No 95 % interval{''.join(f', {part}' for part in where)}: {reason}."


def _best(best: Best, wording: Wording) -> Iterator[str]:
    if best.row is not None and not best.given:
        yield (
            f"best: our best row on the validation split, by {wording.criterion}, among the rows "
            "that train all tasks."
        )
    if best.fitted:
        yield (
            f"Action Unit thresholds of {_rows(best.fitted)} are chosen on validation, which "
            "raises the score there: not compared for best with rows at probability 0.5."
        )


def _stars(rows: Rows, metrics: Sequence[str], best: Best) -> Iterator[str]:
    """What the stars say, and what as many seeds can show."""
    counts = sorted({cell.n for _, cell in rows if cell.n > 1})
    if best.row is None or not rows:
        return
    if not counts:
        yield "One seed tells nothing of another: no row is said to differ (--seeds N)."
        return
    others = [(n, m, s) for n, m, s in _figures(rows, metrics) if n != best.row and m in CRITERIA]
    compared = [s for _, _, s in others if s.difference is not None]
    if compared:
        none = "" if any(s.star for s in compared) else " No row has one."
        yield (
            f"*: differs from {best.name}: the 95 % interval of the difference, paired by seed and "
            f"person, excludes 0.{none} Without a star two rows may differ or not. Many rows are "
            "looked at, for which the intervals are not widened."
        )
    left = {n for n, _, s in others if s.interval is not None and s.difference is None}
    if left:
        yield (
            f"Not compared with {best.name} in everything: {_rows(sorted(left))} (fewer than two "
            "seeds in common, other frames, or no sums)."
        )
    for count in counts:
        yield (
            f"With {count} seeds, the smallest two-sided p of a sign-flip test is "
            f"2/2^{count} = {2 / 2**count:.2g}; .05 needs six seeds."
        )


def _parts(rows: Rows, metrics: Sequence[str], best: Best) -> Iterator[str]:
    """Whether more seeds or more people would make the compared row's intervals shorter."""
    parts = [
        f"{METRICS[metric][0]} {own.seed_error:.3f} and {own.cluster_error:.3f}"
        for number, metric, statistic in _figures(rows, metrics)
        if number == best.row and (own := statistic.interval) is not None and own.seeds > 1
    ]
    if parts:
        yield (
            f"Standard errors of {best.name} that come from the choice of seeds and from that of "
            f"people: {'; '.join(parts)}."
        )


def _rows(numbers: Iterable[int]) -> str:
    names = [str(number) for number in numbers]
    return f"row{'s' if len(names) > 1 else ''} {_listed(names)}"


def _listed(items: Sequence[object]) -> str:
    """ "1", "1 and 2", "1, 2 and 3"."""
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
