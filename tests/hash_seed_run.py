"""Data, their order and a training, as one hash: a program for `test_hash_seeds`.

`python hash_seed_run.py TREE FOLDER` prepares a tree, reads batches and trains, and prints it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from kaffect.curation.split_tree import split_tree
from kaffect.data.batches.pipeline import training_frames
from kaffect.data.batches.warp import Warp
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.data.tree import DataTree
from tests.data.drawing import contents
from tests.training import tiny_run


def main(tree: Path, folder: Path) -> dict[str, str]:
    """Hashes by what they are of."""
    out = prepare_tree(tree, folder / "data", encoding="png", detector="none", progress=False)
    found = {"prepared": repr(sorted(contents(out).items())), "tree": DataTree.open(tree).hash()}
    found["split"] = json.dumps(split_tree(tree, (0.5, 0.25, 0.25), seed=3).to_dict())
    index = PreparedData.open(out).split("train")
    warp = Warp(zoom=0.1, shift=0.1, brightness=9.0, contrast=0.2, erase=0.5)
    digest = hashlib.sha256()
    for batch in training_frames(index, batch=8, steps=4, augment=warp).as_numpy_iterator():
        for name in batch:  # in the order in which they come
            digest.update(name.encode() + np.ascontiguousarray(batch[name]).tobytes())
    found["batches"] = digest.hexdigest()
    trainer, progress = tiny_run.run(folder / "run", steps=2 * tiny_run.LOOK)
    found["training"] = tiny_run.fingerprint(trainer)
    found["history"] = json.dumps(progress.history)
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
