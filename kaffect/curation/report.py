"""All statistics of a data tree in one folder: tables, figures, data card (paper Section II)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from kaffect.curation import figures
from kaffect.curation.data_card import data_card
from kaffect.curation.samples import Sample, draw, over_the_plane, varied, with_pictures
from kaffect.curation.statistics import Statistics, describe
from kaffect.curation.tables import (
    TextTable,
    attribute_table,
    balance_table,
    expression_table,
    markdown,
    unit_table,
)
from kaffect.data.tree import DataTree
from kaffect.errors import DatasetError
from kaffect.files import atomic_directory, write_json, write_text
from kaffect.labels import ACTION_UNITS_8

_CELLS = 8  # of each side of the VA plane in Figure 1: a face in each
_CANDIDATES = 1500


@dataclass(frozen=True)
class PaperValues:
    """What the paper prints in Tables I, III and IV; `kept` frames are behind Table III."""

    table_i: Mapping[str, str]
    table_iii: Mapping[str, int]
    table_iv: Mapping[str, str]
    kept: int


def tables_of(statistics: Statistics, paper: PaperValues | None) -> dict[str, TextTable]:
    """Tables 'I', 'III' and 'IV', Figure 3 in numbers ('3') and 'balance'.

    The paper's figures stand beside ours where the data set has Aff-Wild's Action Units.
    """
    units, expressions = statistics.parts["au"], statistics.parts["expression"]
    beside = paper if set(units.units) <= set(ACTION_UNITS_8) else None
    kind = statistics.kind
    return {
        "I": attribute_table(
            "Table I: the part annotated for Action Units", units, kind,
            beside.table_i if beside else None,
        ),
        "III": unit_table(
            "Table III: frames with an Action Unit", units, kind,
            beside.table_iii if beside else None, beside.kept if beside else 0,
        ),
        "IV": attribute_table(
            "Table IV: the part annotated for the basic expressions", expressions, kind,
            beside.table_iv if beside else None,
        ),
        "3": expression_table("Figure 3 in numbers: expressions", expressions, kind),
        "balance": balance_table(statistics),
    }  # fmt: skip


def figures_of(statistics: Statistics) -> dict[str, tuple[str, Figure]]:
    """Figures '2', '3' and '4', and 'together' and 'balance', each with its caption; those for
    which there are labels."""
    found: dict[str, tuple[str, Figure]] = {}
    kind, parts = statistics.kind, statistics.parts
    for name, part in (("2", "au"), ("4", "expression")):
        if parts[part].plane.any():
            caption = f"Figure {name}: histogram of valence and arousal"
            found[name] = caption, figures.va_histogram(parts[part].plane, kind, part)
    if parts["expression"].expressions:
        counts = {name: sum(c.values()) for name, c in parts["expression"].expressions.items()}
        caption = "Figure 3: histogram of the expressions"
        found["3"] = caption, figures.bars(
            counts, kind, caption.removeprefix("Figure 3: ").capitalize()
        )
    if parts["au"].together is not None:
        matrix = figures.together(parts["au"].together, list(parts["au"].units), kind)
        found["together"] = "Action Units that go together", matrix
    if parts["all"].expressions or parts["all"].units:
        found["balance"] = "Balance of the splits", figures.balance(statistics)
    return found


def plane_samples(tree: DataTree, seed: int = 0) -> list[Sample]:
    """Faces spread over the VA plane, and one that shows each Action Unit (Figure 1)."""
    chosen = over_the_plane(draw(tree, _CANDIDATES, seed, needs=("va",)), _CELLS)
    units = {unit for sample in chosen for unit in sample.units or ()}
    try:
        more = draw(tree, _CANDIDATES, seed + 1, needs=("va", "au"))
    except DatasetError:
        more = []
    for sample in sorted(more, key=lambda s: len(s.units or ())):
        if set(sample.units or ()) - units:
            units |= set(sample.units or ())
            chosen.append(sample)
    return with_pictures(tree, chosen)


def table_ii_samples(tree: DataTree, count: int = 6, seed: int = 0) -> list[Sample]:
    """Frames with valence, arousal and Action Units that differ much (Table II)."""
    return with_pictures(tree, varied(draw(tree, 400, seed, needs=("va", "au")), count))


def sample_table(
    samples: Sequence[Sample], kind: str, paper: Sequence[Mapping[str, str]]
) -> TextTable:
    """Table II: a column for each image, the paper's first; those of `kind` by track and frame."""
    units = sorted(
        {u for s in samples for u in s.units or ()} | {u for p in paper for u in _units(p)},
        key=lambda unit: int(unit[2:]),
    )
    heads = ["annotation", *(f"paper {p['image']}" for p in paper)]
    heads += [f"{s.track} #{s.frame}" for s in samples]
    rows = [
        ("Valence", *(p["valence"] for p in paper), *(_va(s, 0) for s in samples)),
        ("Arousal", *(p["arousal"] for p in paper), *(_va(s, 1) for s in samples)),
    ]
    for unit in units:
        marks = ["x" if unit in _units(p) else "" for p in paper]
        rows.append((unit, *marks, *("x" if unit in (s.units or ()) else "" for s in samples)))
    return TextTable(
        "Table II: images with their annotations",
        tuple(heads),
        tuple(rows),
        note=f"Columns with a track and frame number: {kind}.",
    )


def _units(entry: Mapping[str, str]) -> list[str]:
    return entry["action_units"].split()


def _va(sample: Sample, column: int) -> str:
    va = sample.valence_arousal
    return "" if va is None else f"{va[column]:.2f}"


def write_dataset_report(
    tree: DataTree,
    out: str | Path,
    paper: PaperValues | None,
    seed: int = 0,
    name: str | None = None,
) -> Statistics:
    """Write `out`: statistics.md and .json, a PNG for each figure, data_card.html.

    Args:
        seed: of the frames that are shown; name: of the data, by default the folder's.

    Raises:
        AnnotationError, VideoError: the tree cannot be read.
    """
    statistics = describe(tree, name)
    tables = tables_of(statistics, paper)
    drawn = figures_of(statistics)
    pictures = [("random frames", figures.sample_grid(
        with_pictures(tree, draw(tree, 18, seed)), statistics.kind))]  # fmt: skip
    if statistics.parts["va"].frames:
        plane = figures.va_plane(plane_samples(tree, seed), statistics.kind)
        drawn = {"1": ("Figure 1: faces in the plane of valence and arousal", plane), **drawn}
    with atomic_directory(out) as folder:
        parts = {name: part.to_dict() for name, part in statistics.parts.items()}
        counted = {"name": statistics.name, "synthetic": statistics.synthetic, "parts": parts}
        write_json(folder / "statistics.json", counted)
        heading = f"Statistics of {statistics.name}"
        write_text(folder / "statistics.md", markdown(heading, statistics, list(tables.values())))
        for name, (_, figure) in drawn.items():
            stem = f"figure_{name}" if name.isdigit() else name
            figures.write_figure(folder / f"{stem}.png", figure)
        figures.write_figure(folder / "sample.png", pictures[0][1])
        page = data_card(statistics, list(tables.values()), [*pictures, *drawn.values()])
        write_text(folder / "data_card.html", page)
    return statistics
