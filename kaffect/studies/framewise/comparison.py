"""The second study's counts and losses beside those of a run, for the report's head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kaffect.data.prepared.records import PreparedData
from kaffect.studies.reference import StudyLoss, study_counts, study_losses

_LABELS = {"va": "valence and arousal", "expression": "expressions", "au": "Action Units"}
_TERMS = {
    "valence_arousal": "valence/arousal",
    "expression": "expressions",
    "action_units": "Action Units",
}


def count_notes(table: str, data: PreparedData, *, videos: bool = True) -> list[str]:
    """The annotated frames and videos of `data` beside those that the study reports.

    A frame counts if it is annotated for the table's task, with or without a face; one with
    two annotated people counts twice, as it has two pictures.

    Args:
        table: 'A1', 'A2' or 'A3'; others have no note.
        videos: False leaves them out (a list of pictures has none).
    """
    counts = study_counts(table)
    if not counts:
        return []
    task = counts[0].task
    frames = {split: int(data.scoring(split).valid(task).sum()) for split in data.splits}
    ours = {**frames, "all": sum(frames.values()), "about": sum(frames.values())}
    ours["videos"] = _videos(data, task)
    names = {"all": "in all", "about": "in all"}
    parts = [
        f"{names.get(c.of, c.of)} {ours.get(c.of, 0):,} | {'about ' * (c.of == 'about')}{c.value:,}"
        for c in counts
        if videos or c.of != "videos"
    ]
    sections = ", ".join(dict.fromkeys(c.source for c in counts))
    head = f"frames annotated with {_LABELS[task]}, these data | the study's Aff-Wild2"
    return [f"{head}: {'; '.join(parts)} ({sections})"]


def _videos(data: PreparedData, task: str) -> int:
    described = [t for split in data.splits for t in data.manifest["splits"][split]["tracks"]]
    return len({track["video"] for track in described if task in track["tasks"]})


def loss_notes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The losses that the study prints for a table, beside those of row 1, which uses its recipe.

    Args:
        records: of one table; of row 1 the newest is shown.
    """
    rows = [record for record in records if record["row"] == 1 and record.get("history")]
    printed = study_losses(rows[-1]["table"]) if rows else []
    if not printed:
        return []
    history = rows[-1]["history"]
    found = []
    for term, name in _TERMS.items():
        parts = []
        for split, key in (("train", term), ("validation", f"loss_{term}")):
            losses = [loss for loss in printed if (loss.term, loss.split) == (term, split)]
            ours = [entry[split].get(key) for entry in (history[0], history[-1])]
            if losses and None not in ours:
                first, last = (f"{value:.4f}" for value in ours)
                parts.append(f"{split} {_printed(losses)} | {first} (first), {last} (last)")
        if parts:
            found.append(f"loss of {name} by epoch, the study | row 1 here: {'; '.join(parts)}")
    return found


def _printed(losses: Sequence[StudyLoss]) -> str:
    return ", ".join(f"{loss.value:.4f} ({loss.epoch})" for loss in losses)
