"""The data that a table runs on: the embedded synthetic Aff-Wild, or a tree of the user's own.

Both take the same path: annotation text and videos in the layout of the
releases -> prepared TFRecords -> sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kaffect.config import Settings
from kaffect.config.preparation import Preparation
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import FrameIndex, PreparedData
from kaffect.data.tree import DataTree, SplitError, missing_set
from kaffect.errors import DatasetError
from kaffect.files import home, stable_hash, writer_lock
from kaffect.labels import SPLIT_FOLDERS, TASKS
from kaffect.studies.evaluate import usable_partition
from kaffect.studies.experiment import Profile
from kaffect.studies.plan import Plan
from kaffect.studies.prepared_folder import is_prepared, open_prepared
from kaffect.synthetic import SyntheticConfig, write_tree

# Raised whenever the renderer's pictures change, so that an older cache is not taken for them.
RENDERER_VERSION = 2

_REMEDY = (
    "add annotation files below annotations/<task>_Set/{folder}/, or move some videos there "
    "(a person must not appear in two sets)"
)


@dataclass(frozen=True)
class Source:
    """Prepared data with what a report must say of them.

    Attributes:
        name: of the data in reports; kind: 'synthetic' or 'real'.
        scored_split: 'test', or 'validation' where the tree has no test set, or one
            without labels of what is trained.
        notes: printed above the table.
        scored_seed: None: every annotated frame is scored; else those that Section II-D keeps
            (`FrameIndex.scored_as_in_paper`).
    """

    name: str
    kind: str
    prepared: PreparedData
    partition: str
    scored_split: str
    notes: tuple[str, ...]
    scored_seed: int | None = None

    @property
    def predicted_only(self) -> bool:
        """Whether there is a test set that cannot be scored."""
        return self.scored_split != "test" and "test" in self.prepared.splits

    def split(self, name: str) -> FrameIndex:
        """The frames of one split that belong to the table's partition (Section II-D)."""
        index = self.prepared.split(name).for_partition(self.partition)
        return index if self.scored_seed is None else index.scored_as_in_paper(self.scored_seed)

    def scored_as(self, data: Any) -> Source:
        """The same data, scored as the settings `data` of a run say (`data.scored`).

        Raises:
            DatasetError: nothing is left to score.
        """
        if data.scored != "paper":
            return self
        found = replace(self, scored_seed=data.seed)
        counts = {
            name: (len(found.split(name).scoring()), len(self.split(name).scoring()))
            for name in dict.fromkeys(("validation", self.scored_split))
        }
        for name, (kept, annotated) in counts.items():
            if not kept:
                raise DatasetError(
                    f"{self.name}: data.scored=paper: none of the {annotated} annotated frames of "
                    f"the {name} set has a face and a label of its part ({self.partition})"
                )
        words = " and ".join(f"{k:,} of {n:,} ({name})" for name, (k, n) in counts.items())
        note = f"scored on the frames that Section II-D keeps of part {self.partition!r}: {words}"
        return replace(found, notes=(note, *self.notes))

    def identity(self, config: Settings) -> dict[str, Any]:
        """What a run with `config` on these data is; a run that goes on must be the same."""
        return {**config.identity(), "prepared data": self.prepared.hash}

    @property
    def described(self) -> dict[str, str]:
        """Name, kind and hash of the data."""
        return {"name": self.name, "kind": self.kind, "hash": self.prepared.hash}


def embedded_tree(profile: Profile) -> Path:
    """The rendered tree of `profile`, made on first use below `$KAFFECT_HOME/synthetic`."""
    settings = dict(profile.synthetic)
    config = SyntheticConfig.profile(settings.pop("profile"), **settings)
    name = stable_hash([RENDERER_VERSION, config.to_dict()])
    root = home() / "synthetic" / f"{profile.name}-{name}"
    if (root / "synthetic.json").exists():
        return root
    with writer_lock(root, "the embedded synthetic data", wait=True):
        if not (root / "synthetic.json").exists():
            print(f"rendering the embedded synthetic data into {root}", flush=True)
            write_tree(root, config, processes=2)
    return root


def open_source(
    data: Path | None,
    profile: Profile,
    partition: str,
    image_size: int = 96,
    prepare: Preparation = Preparation(),
    keep_going: bool = False,
    tasks: Sequence[str] = TASKS,
    synthetic_name: str = "synthetic Aff-Wild",
) -> Source:
    """Prepare (once) and open the data of a run.

    Args:
        data: the user's tree or prepared folder, or None for the embedded data.
        partition: whose split the table uses: 'expression', 'au', or 'all' videos.
        image_size: side of the face crops in pixels.
        prepare: how a tree is prepared, or a prepared folder was.
        keep_going: leave out videos that cannot be prepared.
        tasks: that the table trains; of a tree whose tasks have different splits only
            these are used.
        synthetic_name: of the embedded data in reports.

    Raises:
        DatasetError, AnnotationError, VideoError: the data cannot be used; says why.
        ConfigError: a folder that was prepared in another way.
    """
    notes: tuple[str, ...] = ()
    root = embedded_tree(profile) if data is None else data
    if data is not None and is_prepared(data):
        prepared = open_prepared(data, prepare, image_size)
        _require_videos(prepared)
    else:
        tree, notes = _open_tree(root, tasks)
        prepared = prepared_as(tree, prepare, image_size, keep_going)
    name = synthetic_name if data is None else Path(data).resolve().name
    kind = "synthetic" if prepared.synthetic else "real"
    wanted, partition = partition, usable_partition(prepared, partition)
    split = _scored_split(prepared, partition, root, tasks)
    if partition != wanted:
        notes += (f"no {wanted} annotations in the training set: all annotated videos are used",)
    if split != "test":
        name += " (validation set)"
        notes += (
            f"{_why_not_test(prepared, tasks)}: scores are of the validation set, on which the "
            "checkpoint was chosen too, so they flatter; to score fairly "
            + _REMEDY.format(folder=SPLIT_FOLDERS["test"]),
        )
    # That there is no test set was said above, and better.
    notes += tuple(text for text in prepared.missing if text != missing_set("test"))
    notes += _first(prepared.notes)
    notes += tuple(
        f"left out: {bad['video']}: {bad['reason']}" for bad in prepared.manifest.get("skipped", ())
    )
    return Source(name, kind, prepared, partition, split, notes)


def prepared_as(
    tree: DataTree | Path, prepare: Preparation, image_size: int, keep_going: bool = False
) -> PreparedData:
    """A tree, prepared (once) with the settings of a run.

    Raises:
        DatasetError, AnnotationError, VideoError: the tree cannot be used; says why.
    """
    print(f"preparing {tree.root if isinstance(tree, DataTree) else tree}", flush=True)
    path = prepare_tree(tree, image_size=image_size, keep_going=keep_going, **prepare.to_dict())
    return PreparedData.open(path)


def open_planned(plan: Plan, partition: str, image_size: int) -> Source:
    """The data of `plan`: a tree, a prepared folder, the embedded data, or a list of stills;
    errors as of `open_source`."""
    if plan.stills:
        return open_stills(plan.data, image_size)  # type: ignore[arg-type]
    try:
        return open_source(
            plan.data,
            plan.profile,
            partition,
            image_size,
            plan.preparation(),
            plan.keep_going,
            plan.tasks,
            plan.study.synthetic_name,
        )
    except SplitError as error:
        raise SplitError(f"{error}{_rows_of_one_task(plan)}") from error


def _rows_of_one_task(plan: Plan) -> str:
    """Which rows of a table of several tasks can be run on the sets of their own task."""
    tasks = {number: plan.tasks_of(row) for number, row in plan.rows}
    single = {number: found[0] for number, found in tasks.items() if len(found) == 1}
    if not single or len(plan.tasks) == 1:
        return ""
    rows = ", ".join(f"{number} ({task})" for number, task in single.items())
    return f"; so does --row N --out DIR, with a folder for each, where N is one of {rows}"


def open_stills(path: Path, image_size: int) -> Source:
    """Prepare (once) and open a list of single pictures.

    Raises:
        DatasetError, AnnotationError: the list or a picture cannot be used; says why.
    """
    print(f"preparing {path}", flush=True)
    prepared = PreparedData.open(prepare_stills(path, image_size=image_size))
    scored = "test" if "test" in prepared.splits else "validation"
    notes = tuple(prepared.missing)
    if scored != "test":
        notes += ("no test pictures in the list: scores are of those that chose the checkpoint",)
    return Source(path.stem, "real", prepared, "all", scored, notes)


def _open_tree(root: Path, tasks: Sequence[str]) -> tuple[DataTree, tuple[str, ...]]:
    """The tree, and what must be said of it; of several splits those of `tasks`."""
    try:
        return DataTree.open(root), ()
    except SplitError:
        if set(tasks) == set(TASKS):
            raise
        tree = DataTree.open(root, tasks)
    which = " and ".join(tasks)
    return tree, (
        f"the tasks of this tree have different sets: those of {which} are used and no others",
    )


def _require_videos(prepared: PreparedData) -> None:
    if prepared.fps is None:
        raise DatasetError(
            f"{prepared.root}: prepared stills, which have no videos; give the list itself (.csv)"
        )


def _first(notes: tuple[str, ...], most: int = 3) -> tuple[str, ...]:
    """A report has no room for a sentence about each of 500 videos."""
    more = len(notes) - most
    rest = (f"{more} more notes like these stand in the manifest of the prepared data",)
    return notes[:most] + (rest if more > 0 else ())


def _why_not_test(prepared: PreparedData, tasks: Sequence[str]) -> str:
    if "test" not in prepared.splits:
        return "no test set in this tree"
    return f"the test set has no label of {' or '.join(tasks)}, so that it can only be predicted"


def _scored_split(prepared: PreparedData, partition: str, root: Path, tasks: Sequence[str]) -> str:
    filled = {
        name for name in prepared.splits if len(prepared.split(name).for_partition(partition)) > 0
    }
    for name in ("train", "validation"):
        if name not in filled:
            raise DatasetError(
                f"{root}: no {name} set, without which nothing can be trained and chosen; "
                + _REMEDY.format(folder=SPLIT_FOLDERS[name])
            )
    if "test" not in filled:
        return "validation"
    labels = prepared.split("test").for_partition(partition).scoring()
    return "test" if any(labels.valid(task).any() for task in tasks) else "validation"
