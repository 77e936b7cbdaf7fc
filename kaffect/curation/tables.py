"""Statistics of a data tree as tables (paper Tables I, III, IV): Markdown and terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import Box
from rich.table import Table
from rich.text import Text

from kaffect.curation.statistics import Part, Statistics, shares
from kaffect.labels import ACTION_UNIT_NAMES
from kaffect.terminal import text_of

NOT_IN_PAPER = "-"
PAPER = "paper (Aff-Wild)"
# Two spaces between columns, hyphens below the heads: any encoding can print it.
_RULE = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


@dataclass(frozen=True)
class TextTable:
    """A table of texts; the first column names the row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """A section with one table."""
        aligns = [":--"] + ["--:"] * (len(self.heads) - 1)
        lines = [f"## {_safe(self.title)}", "", _line(self.heads), _line(aligns)]
        lines += [_line(map(_safe, row)) for row in self.rows]
        return "\n".join(lines + ([f"\n{self.note}"] if self.note else [])) + "\n"

    def text(self) -> str:
        """Columns for a terminal."""
        table = Table(box=_RULE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for place, head in enumerate(self.heads):
            table.add_column(Text(head), justify="right" if place else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(Text, row))
        return "\n".join(
            [self.title, "", text_of(table).plain] + ([self.note] if self.note else [])
        )


def _line(cells: object) -> str:
    return f"| {' | '.join(cells)} |"  # type: ignore[arg-type]


def _safe(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def attribute_table(
    title: str, part: Part, kind: str, paper: Mapping[str, str] | None = None
) -> TextTable:
    """Tables I and IV; `paper` beside it where the data set is Aff-Wild."""
    ours = part.attributes()
    if not part.videos:
        ours = dict.fromkeys(ours, "none")
    if paper is None:
        return TextTable(title, ("attribute", kind), tuple(ours.items()))
    rows = tuple((name, paper.get(name, NOT_IN_PAPER), value) for name, value in ours.items())
    return TextTable(title, ("attribute", PAPER, kind), rows)


def unit_table(
    title: str, part: Part, kind: str, paper: Mapping[str, int] | None, paper_frames: int
) -> TextTable:
    """Table III: frames in which each Action Unit is active, and their share.

    Args:
        paper_frames: of which the paper's share is taken (the 180,000 kept frames).
    """
    labelled = sum(part.labelled.get("au", {}).values())
    rows = []
    for name, counts in part.units.items():
        count = sum(counts.values())
        row = [f"{name} {ACTION_UNIT_NAMES.get(name, '')}".strip()]
        if paper is not None:
            row += _of(paper.get(name), paper_frames)
        rows.append((*row, *_of(count, labelled)))
    heads = ["Action Unit"] + ([f"{PAPER}, frames", "share"] if paper is not None else [])
    note = f"At least one unit is active in {part.active:,} of {labelled:,} labelled frames."
    return TextTable(title, (*heads, f"{kind}, frames", "share"), tuple(rows), note)


def _of(count: int | None, total: int) -> list[str]:
    if count is None:
        return [NOT_IN_PAPER, NOT_IN_PAPER]
    return [f"{count:,}", f"{100 * count / total:.1f} %" if total else NOT_IN_PAPER]


def expression_table(title: str, part: Part, kind: str) -> TextTable:
    """Figure 3 in numbers."""
    counts = {name: sum(split.values()) for name, split in part.expressions.items()}
    rows = tuple(
        (name, f"{count:,}", f"{100 * share:.1f} %")
        for (name, count), share in zip(counts.items(), shares(counts.values()))
    )
    return TextTable(title, ("expression", f"{kind}, frames", "share"), rows)


def balance_table(statistics: Statistics) -> TextTable:
    """Tracks, labelled frames, classes and units of each split."""
    whole, splits = statistics.parts["all"], statistics.splits
    rows = [("tracks", *(str(whole.tracks[split]) for split in splits))]
    names = {"va": "valence/arousal", "expression": "expressions", "au": "Action Units"}
    for task, counts in sorted(whole.labelled.items()):
        rows.append((f"frames with {names[task]}", *(f"{counts[s]:,}" for s in splits)))
    groups = ((whole.expressions, "expression"), (whole.units, "au"))
    for labels, task in groups:
        for name, counts in labels.items():
            of = whole.labelled[task]
            shown = (f"{100 * counts[s] / of[s]:.1f} %" if of[s] else "-" for s in splits)
            rows.append((name, *shown))
    note = "Expressions and Action Units: share of the frames of the split that carry that label."
    return TextTable("Balance of the splits", ("", *splits), tuple(rows), note)


def markdown(title: str, statistics: Statistics, tables: Sequence[TextTable]) -> str:
    """A document of several tables."""
    lines = [f"# {title}", ""]
    if statistics.synthetic:
        lines += ["Synthetic data: rendered, not recorded. These are no figures of Aff-Wild.", ""]
    return "\n".join(lines + [table.markdown() for table in tables])
