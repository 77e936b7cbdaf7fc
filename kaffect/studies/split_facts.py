"""Which frames trained, chose and scored a row (Section II-D): hashes, people, counts of labels.

Stored with the results, so that a report can say it and reject people in two of the splits.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import DatasetError
from kaffect.files import stable_hash
from kaffect.studies.clusters import people
from kaffect.studies.details import plane
from kaffect.studies.sources import Source
from kaffect.studies.stored_sums import TRACK

TRAINED, CHOSEN = "train", "validation"


def facts_file(data_hash: str) -> str:
    """Where a results folder has what is said of its data."""
    return f"data/{data_hash}.json"


def data_facts(source: Source) -> dict[str, Any]:
    """What the report says of the data of a run, JSON-able: each split with its labels."""
    return {
        **source.described,
        "scored_split": source.scored_split,
        "splits": {name: split_facts(source.split(name)) for name in used_splits(source)},
    }


def used_splits(source: Source) -> tuple[str, ...]:
    """Those that train, choose and score a row."""
    return tuple(dict.fromkeys((TRAINED, CHOSEN, source.scored_split)))


def split_facts(index: FrameIndex) -> dict[str, Any]:
    """Hash, people, videos and labels of one split.

    Returns:
        `people`: names of those that are known, sorted; `unknown`: videos of people not known;
        `expressions` and `units`: name -> frames; `plane`: frames by valence and arousal.
    """
    scoring, space = index.scoring(), index.data.label_space
    tracks = np.unique(index.track[index.rows])
    names = people(index)[tracks] if index.data.fps is not None else np.array([], str)
    known = sorted({str(name) for name in names if not str(name).startswith(TRACK)})
    classes = np.bincount(
        scoring.expression[scoring.expression_valid], minlength=len(space.expressions)
    )
    units = scoring.action_units[scoring.au_valid].sum(axis=0, dtype=np.int64)
    return {
        "hash": split_hash(index),
        "frames": len(index.rows),
        "annotated": len(scoring),
        "videos": len(names),
        "people": known,
        "unknown": sum(str(name).startswith(TRACK) for name in names),
        "expressions": dict(zip(space.expressions, classes.tolist())),
        "units": dict(zip(space.action_units, units.tolist())),
        "plane": plane(scoring.valence_arousal[scoring.va_valid]).tolist(),
    }


def split_hash(index: FrameIndex) -> str:
    """Of the prepared data, the split and the frames of it that count."""
    rows = hashlib.sha256(np.ascontiguousarray(index.rows, np.int64).tobytes()).hexdigest()
    return stable_hash([index.data.hash, index.name, index.part, index.scored_seed, rows])


def require_apart(facts: dict[str, Any]) -> None:
    """Raise `DatasetError` where one person is in two of the splits of `data_facts`."""
    splits = facts["splits"]
    for first in splits:
        for second in splits:
            both = sorted(set(splits[first]["people"]) & set(splits[second]["people"]))
            if first < second and both:
                more = f" and {len(both) - 3} more" if len(both) > 3 else ""
                raise DatasetError(
                    f"{facts['name']}: {', '.join(both[:3])}{more}: in the sets {first} and "
                    f"{second}; a person must be in one set only"
                )
