"""Tables I to IV and Figures 1 to 4: the data sets of Section II, the paper's and ours.

`python experiments/run.py --table III [--data DIR]`; without `--data` the embedded
synthetic data are counted, and called so.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kaffect.errors import DatasetError
from kaffect.files import write_text
from kaffect.labels import TASKS
from kaffect.studies import reference
from kaffect.studies.experiment import Experiment
from kaffect.studies.recognition import STUDY

if TYPE_CHECKING:  # these load TensorFlow, which --dry-run does not wait for
    from kaffect.curation.report import PaperValues
    from kaffect.curation.statistics import Statistics
    from kaffect.data.tree import DataTree

EMBEDDED = "synthetic Aff-Wild"


def paper_values() -> PaperValues | None:
    """Tables I, III and IV of the paper; None where kaffect is not run from a checkout."""
    from kaffect.curation.report import PaperValues

    if not reference.FOLDER.is_dir():
        return None
    kept = reference.facts()["au_frames_kept"].value
    first, fourth = reference.attributes("I"), reference.attributes("IV")
    return PaperValues(first, reference.action_unit_frames(), fourth, kept)


def run_table(table: Experiment, options: argparse.Namespace) -> None:
    """Print Table I, II, III or IV and write it as Markdown (II with its pictures)."""
    name = table.name
    folder = options.out or Path("runs")
    path = folder / f"table_{name.lower()}.md"
    if options.dry_run:
        print(f"would count {_where(options)} and write {path}")
        return
    from kaffect.curation import figures, report
    from kaffect.curation.tables import markdown

    tree, statistics = _open(options)
    if name == "II":
        samples = report.table_ii_samples(tree)
        found = report.sample_table(samples, statistics.kind, reference.sample_frames())
        picture = path.with_suffix(".png")
        figures.write_figure(picture, figures.sample_grid(samples, statistics.kind))
        print(f"pictures: {picture}")
    else:
        found = report.tables_of(statistics, paper_values())[name]
    print(found.text())
    write_text(path, markdown(f"Table {name}", statistics, [found]))
    print(f"report: {path}")


def run_figure(figure: Experiment, options: argparse.Namespace) -> None:
    """Draw Figure 1, 2, 3 or 4 as PNG."""
    name = figure.name
    path = (options.out or Path("runs")) / f"figure_{name}.png"
    if options.dry_run:
        print(f"would count {_where(options)} and draw {path}")
        return
    from kaffect.curation import figures, report

    tree, statistics = _open(options)
    if name == "1":
        drawn = figures.va_plane(report.plane_samples(tree), statistics.kind)
    else:
        known = report.figures_of(statistics)
        if name not in known:
            raise DatasetError(f"{tree.root}: no labels for figure {name}; it shows {_SHOWS[name]}")
        drawn = known[name][1]
    figures.write_figure(path, drawn)
    print(f"figure {name}: {path} ({statistics.kind})")


_SHOWS = {
    "2": "valence and arousal of tracks with Action Units",
    "3": "the expressions",
    "4": "valence and arousal of tracks with expressions",
}


def _where(options: argparse.Namespace) -> str:
    return "the embedded synthetic data" if options.data is None else str(options.data)


def _open(options: argparse.Namespace) -> tuple[DataTree, Statistics]:
    from kaffect.curation.statistics import describe
    from kaffect.data.tree import DataTree
    from kaffect.studies.sources import embedded_tree

    root = options.data or embedded_tree(STUDY.profiles[options.profile or "demo"])
    tree = DataTree.open(root, (options.task,) if options.task else TASKS)
    for note in tree.missing:
        print(f"note: {note}")
    return tree, describe(tree, None if options.data is not None else EMBEDDED)
