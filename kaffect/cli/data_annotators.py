"""`kaffect data merge-annotators`: several experts -> one annotation (Section III-C, III-D)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError, DatasetError


def register(actions: Any) -> None:
    """Add the command to `kaffect data`."""
    merge = actions.add_parser("merge-annotators", help="merge the files of several annotators")
    merge.add_argument("folder", type=Path, help="FOLDER/<annotator>/.../<track>.txt")
    merge.add_argument("--out", type=Path, required=True, help="folder to write; must not exist")
    merge.add_argument(
        "--units",
        choices=("zero", "masked"),
        default="zero",
        help="an Action Unit without unanimity: not active, or the frame has no label",
    )
    merge.add_argument(
        "--max-lag",
        type=int,
        default=30,
        metavar="FRAMES",
        help="by how much annotators of valence/arousal may be late; 0 corrects nothing",
    )
    merge.add_argument(
        "--reference",
        choices=("earliest", "mean", "trial"),
        default="earliest",
        help="whose time counts when delays are corrected; trial: each annotator's own delay as "
        "measured by the trial of `kaffect annotate` (FOLDER/trials.json)",
    )
    merge.add_argument(
        "--videos",
        type=Path,
        metavar="DIR",
        help="link this folder as OUT/videos, so that OUT is a data tree",
    )
    merge.add_argument("--keep-going", action="store_true", help="leave out incomplete tracks")
    merge.set_defaults(run=merge_annotators)


def merge_annotators(options: argparse.Namespace) -> None:
    """`kaffect data merge-annotators`."""
    from kaffect.curation.agreement import agreement_markdown, write_merged
    from kaffect.curation.experts import read_experts, read_trials
    from kaffect.curation.merging import MergeSettings

    settings = MergeSettings(
        units=options.units, max_lag=options.max_lag, reference=options.reference
    )
    if options.out.exists():
        raise ConfigError(f"{options.out}: exists already; name a folder that does not")
    if options.videos is not None and not options.videos.is_dir():
        raise ConfigError(f"--videos: {options.videos}: no such folder")
    trials = read_trials(options.folder) if options.reference == "trial" else None
    ratings, lacking = read_experts(options.folder)
    if lacking and not options.keep_going:
        shown = "; ".join(lacking[:3])
        raise DatasetError(
            f"{options.folder}: {len(lacking)} tracks were not labelled by all: {shown}. "
            "Add the files, or leave these tracks out with --keep-going"
        )
    if not ratings:
        raise DatasetError(f"{options.folder}: no track that two annotators labelled")

    def link_videos(folder: Path) -> None:
        if options.videos is not None:
            (folder / "videos").symlink_to(options.videos.resolve(), target_is_directory=True)

    report = write_merged(options.out, ratings, settings, lacking, trials, link_videos)
    print(agreement_markdown(report))
    print(f"merged annotation: {options.out / 'annotations'}")
    print(f"report: {options.out / 'agreement.md'} and .json; {options.out / 'disagreements.csv'}")
