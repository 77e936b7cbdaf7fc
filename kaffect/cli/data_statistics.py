"""`kaffect data statistics` and `kaffect data show`: look at a data set (paper Section II)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError, expected_received
from kaffect.labels import SPLITS, TASKS


def register(actions: Any) -> None:
    """Add the commands to `kaffect data`."""
    statistics = actions.add_parser("statistics", help="tables, figures and a data card of a tree")
    statistics.add_argument(
        "tree", type=Path, nargs="?", help="data tree; without it the embedded synthetic data"
    )
    statistics.add_argument("--task", choices=TASKS, help="only this one's annotation and sets")
    statistics.add_argument("--out", type=Path, required=True, help="folder; must not exist")
    statistics.add_argument("--seed", type=int, default=0, help="of the frames that are shown")
    statistics.set_defaults(run=write_statistics)

    show = actions.add_parser("show", help="draw random frames with their labels")
    show.add_argument("data", type=Path, help="data tree, or a folder of `kaffect data prepare`")
    show.add_argument("--count", type=int, default=16)
    show.add_argument("--out", type=Path, help="PNG to write (default sample.png)")
    show.add_argument("--tensorboard", type=Path, metavar="DIR", help="log folder for TensorBoard")
    show.add_argument("--split", choices=SPLITS, help="only this one")
    show.add_argument("--task", choices=TASKS, help="only this one's annotation and sets")
    show.add_argument("--seed", type=int, default=0)
    show.set_defaults(run=show_data)


def write_statistics(options: argparse.Namespace) -> None:
    """`kaffect data statistics`."""
    from kaffect.curation.report import tables_of, write_dataset_report
    from kaffect.data.tree import DataTree
    from kaffect.studies.data_tables import EMBEDDED, paper_values
    from kaffect.studies.recognition import STUDY
    from kaffect.studies.sources import embedded_tree

    if options.out.exists():
        raise ConfigError(f"{options.out}: exists already; name a folder that does not")
    paper = paper_values()
    tasks = (options.task,) if options.task else TASKS
    tree = DataTree.open(options.tree or embedded_tree(STUDY.profiles["demo"]), tasks)
    name = None if options.tree is not None else EMBEDDED
    statistics = write_dataset_report(tree, options.out, paper, options.seed, name)
    for table in tables_of(statistics, paper).values():
        print(table.text() + "\n")
    print(f"data card: {options.out / 'data_card.html'}; statistics.md, .json and PNG beside it")


def show_data(options: argparse.Namespace) -> None:
    """`kaffect data show`."""
    from kaffect.curation.figures import sample_grid, write_figure
    from kaffect.curation.samples import shown_samples

    if not 1 <= options.count <= 200:
        raise ConfigError(expected_received("--count", "1 to 200", options.count))
    kind, samples = shown_samples(
        options.data, options.count, options.seed, options.split, options.task
    )
    figure = sample_grid(samples, kind)
    if options.tensorboard is not None:
        from kaffect.training.summaries import RunSummaries

        summaries = RunSummaries(options.tensorboard, {"data": str(options.data)})
        summaries.image(0, "data/sample", figure)
        summaries.close()
        print(f"tensorboard --logdir {options.tensorboard}")
    if options.out is not None or options.tensorboard is None:
        out = options.out or Path("sample.png")
        write_figure(out, sample_grid(samples, kind))
        print(f"{len(samples)} frames: {out}")
