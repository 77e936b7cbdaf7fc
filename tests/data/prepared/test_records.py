"""Prepared data that are not what was written are refused before the first step (Section III)."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.data.prepared.shards import count_records
from kaffect.errors import DatasetError
from kaffect.files import file_entries


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    return shutil.copytree(prepared, tmp_path / "copy")


def shard(folder: Path, split: str = "train", number: int = 0) -> Path:
    return sorted(folder.glob(f"{split}-*.tfrecord"))[number]


def test_columns_stay_on_disk(prepared: Path) -> None:
    """What grows with the data set is mapped, not read into memory."""
    index = PreparedData.open(prepared).split("train")
    for name in ("valence_arousal", "expression", "action_units", "track", "offset", "has_face"):
        assert isinstance(getattr(index, name), np.memmap), name


def test_splits_asked_for_again_open_no_more_files(prepared: Path) -> None:
    data = PreparedData.open(prepared)

    def used() -> int:
        for split in data.splits:
            for part in ("all", "expression"):
                held.append(data.split(split).for_partition(part).scoring())
                held.append(data.split(split))
        return len(os.listdir("/proc/self/fd"))

    held: list[object] = []
    assert used() == used() == used()


def test_a_whole_copy_opens(copy: Path, prepared: Path) -> None:
    assert PreparedData.open(copy).hash == PreparedData.open(prepared).hash


def test_a_cut_shard_is_refused_at_any_byte(copy: Path) -> None:
    """TFRecord itself takes one cut in ten for a shorter file."""
    path = shard(copy)
    whole = path.read_bytes()
    promised = count_records(path)
    silent = 0
    boundaries = [0]
    for record in tf.data.TFRecordDataset(str(path)):
        boundaries.append(boundaries[-1] + len(record.numpy()) + 16)
    assert boundaries[-1] == len(whole) and len(boundaries) == promised + 1
    cuts = {cut for b in boundaries[:-1] for cut in (b, b + 1, b + 11, b + 12, b + 13)}
    cuts |= set(random.Random(0).sample(range(len(whole)), 150))
    for cut in sorted(cuts):
        path.write_bytes(whole[:cut])
        left = sum(b <= cut for b in boundaries) - 1
        for verify in (True, False):
            with pytest.raises(DatasetError) as caught:
                PreparedData.open(copy, verify=verify)
            text = str(caught.value)
            assert str(path) in text
            assert f"Expected {promised} records" in text and f"Found {left} whole records" in text
        silent += cut in boundaries
    assert silent == promised, "the cuts that TensorFlow does not see were not among these"


@pytest.mark.nightly
def test_a_shard_cut_at_every_byte(copy: Path, record_property: Any) -> None:
    path = min(copy.glob("*.tfrecord"), key=lambda p: p.stat().st_size)
    whole, promised = path.read_bytes(), count_records(path)
    for cut in range(len(whole)):
        with open(path, "r+b") as handle:
            handle.truncate(len(whole) - 1 - cut)
        with pytest.raises(DatasetError) as caught:
            PreparedData.open(copy, verify=False)
        assert str(path) in str(caught.value)
        assert f"Expected {promised} records" in str(caught.value)
    record_property("cuts", len(whole))
    record_property("accepted", 0)


def _changed(data: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, taken out, put in, repeated or swapped."""
    first, second = sorted(chance.randrange(len(data)) for _ in range(2))
    more = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
    way = chance.randrange(5)
    if way == 0:
        return data[:first] + bytes([data[first] ^ 1 << chance.randrange(8)]) + data[first + 1 :]
    if way == 1:
        return data[:first] + data[second + 1 :]
    if way == 2:
        return data[:first] + more + data[first:]
    if way == 3:
        return data[:second] + data[first:]
    return data[second:] + data[first:second] + data[:first]


def _facts(folder: Path) -> tuple[object, ...]:
    """What a reader learns of the data; of a manifest only the layout of its text is free."""
    data = PreparedData.open(folder)
    return data.hash, data.splits, data.notes, data.detector, data.missing, data.synthetic


@pytest.mark.nightly
def test_a_thousand_mutations(copy: Path, record_property: Any) -> None:
    """Half of them of the manifest, half of shards and columns: refused, or of no meaning."""
    chance = random.Random(5)
    expected = repr(_facts(copy))
    others = sorted(p for p in copy.rglob("*") if p.is_file() and p.name != "manifest.json")
    refused = 0
    for number in range(1000):
        path = chance.choice(others) if number % 2 else copy / "manifest.json"
        whole = path.read_bytes()
        changed = _changed(whole, chance)
        path.write_bytes(changed)
        try:
            found = repr(_facts(copy))
        except DatasetError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert found == expected and (changed == whole or path.name == "manifest.json")
        path.write_bytes(whole)
    assert refused > 900
    record_property("refused", refused)
    record_property("the same data", 1000 - refused)
    record_property("other data", 0)


def test_any_flipped_bit_anywhere_is_refused(copy: Path) -> None:
    chance = random.Random(1)
    files = sorted(p for p in copy.rglob("*") if p.is_file() and p.name != "manifest.json")
    for path in files:
        whole = path.read_bytes()
        for _ in range(3):
            data = bytearray(whole)
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
            with pytest.raises(DatasetError) as caught:
                PreparedData.open(copy)
            text = str(caught.value)
            assert str(path) in text
            assert ("whole records" in text) == (path.suffix == ".tfrecord")
        path.write_bytes(whole)
    PreparedData.open(copy)


def test_a_changed_manifest_is_refused(copy: Path) -> None:
    """Every value and every key, one after the other; only the layout of the text is free."""
    path = copy / "manifest.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole))
    PreparedData.open(copy)
    changed = 0
    for steps in leaves(whole):
        value = json.loads(json.dumps(whole))
        inner = value
        for step in steps[:-1]:
            inner = inner[step]
        old = inner[steps[-1]]
        inner[steps[-1]] = old + 1 if type(old) in (int, float) else None if old else "x"
        path.write_text(json.dumps(value))
        with pytest.raises(DatasetError):
            PreparedData.open(copy)
        changed += 1
    assert changed > 100
    for broken in ("", "{", "[]", "null", '{"kind": NaN}', "\0"):
        path.write_text(broken)
        with pytest.raises(DatasetError):
            PreparedData.open(copy)


def leaves(value: object, path: tuple = ()) -> list[tuple]:  # type: ignore[type-arg]
    if isinstance(value, dict) and value:
        return [leaf for k, v in value.items() for leaf in leaves(v, (*path, k))]
    if isinstance(value, list) and value:
        return [leaf for i, v in enumerate(value) for leaf in leaves(v, (*path, i))]
    return [path]


def swap(folder: Path) -> None:
    first, second = shard(folder, number=0), shard(folder, number=1)
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def swap_records(folder: Path) -> None:
    """Two records change places: every checksum inside of the file still holds."""
    path = shard(folder)
    records = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    records[0], records[1] = records[1], records[0]
    write(path, records)


def repeat_record(folder: Path) -> None:
    path = shard(folder)
    records = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    write(path, records[:-1] + records[:1])


def write(path: Path, records: list[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


STRUCTURE: dict[str, Callable[[Path], object]] = {
    "swapped shards": swap,
    "swapped records": swap_records,
    "repeated record": repeat_record,
    "missing shard": lambda f: shard(f).unlink(),
    "empty shard": lambda f: shard(f).write_bytes(b""),
    "longer shard": lambda f: shard(f).write_bytes(shard(f).read_bytes() * 2),
    "foreign shard": lambda f: shutil.copy(shard(f), f / "train-00009-of-00010.tfrecord"),
    "foreign file": lambda f: (f / "index" / "train" / "notes.txt").write_text("x"),
    "missing column": lambda f: (f / "index/train/va_valid.npy").unlink(),
    "swapped columns": lambda f: shutil.copy(
        f / "index/train/va_valid.npy", f / "index/train/au_valid.npy"
    ),
    "missing manifest": lambda f: (f / "manifest.json").unlink(),
    "linked shard": lambda f: (shard(f).rename(f.parent / "s"), shard_link(f)),
}


def shard_link(folder: Path) -> None:
    """The shard is a link that leads out of the folder."""
    name = "train-00000-of-00004.tfrecord"
    (folder / name).symlink_to(folder.parent / "s")


@pytest.mark.parametrize("name", STRUCTURE)
def test_changed_structure_is_refused(copy: Path, name: str) -> None:
    STRUCTURE[name](copy)
    with pytest.raises(DatasetError):
        PreparedData.open(copy)


def test_without_verification_missing_and_cut_files_are_still_seen(copy: Path) -> None:
    (copy / "index/train/va_valid.npy").unlink()
    with pytest.raises(DatasetError, match="va_valid.npy"):
        PreparedData.open(copy, verify=False).split("train")


def test_an_object_array_is_never_unpickled(copy: Path) -> None:
    """Even with a manifest that was forged to fit."""
    path = copy / "index/train/track.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "files": file_entries(copy)}))
    data = PreparedData.open(copy)
    with pytest.raises(DatasetError, match="track.npy: cannot be read"):
        data.split("train")


def test_names_in_the_manifest_stay_inside(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    for name in ("../x", "/etc/passwd", "a\0b", "..\\x", "train/../../x"):
        files = [{**manifest["files"][0], "name": name}, *manifest["files"][1:]]
        (copy / "manifest.json").write_text(json.dumps({**manifest, "files": files}))
        with pytest.raises(DatasetError):
            PreparedData.open(copy)


def test_unknown_split_partition_and_folder(prepared: Path, tmp_path: Path) -> None:
    data = PreparedData.open(prepared)
    with pytest.raises(DatasetError, match="'test', 'train', 'validation'"):
        data.split("training")
    with pytest.raises(DatasetError, match="Unknown partition"):
        data.split("train").for_partition("expr")
    with pytest.raises(DatasetError, match="not a prepared data set"):
        PreparedData.open(tmp_path)


def test_another_schema_version(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaffect.data.prepared.shards.SCHEMA_VERSION", 2)
    with pytest.raises(DatasetError, match="Other schema version. Expected 2. Received: 1"):
        PreparedData.open(copy)


def test_partitions_keep_row_numbers(prepared: Path) -> None:
    data = PreparedData.open(prepared)
    whole = data.split("train")
    au = whole.for_partition("au")
    assert au.rows.tolist() == list(range(50, 150))
    assert len(au) == 100 and len(au.track) == 150
    assert whole.for_partition("all").rows.tolist() == whole.rows.tolist()
    scoring = au.scoring()
    assert set(scoring.track.tolist()) == {1, 2}
    assert len(scoring) + (whole.scoring().track == 0).sum() == len(whole.scoring())
    assert set(scoring.row.tolist()) <= set(au.rows.tolist())
    few = whole.with_rows(np.array([3, 60]))
    assert few.for_partition("au").rows.tolist() == [60]
    for wrong in ([60, 3], [3, 3], [3, 150]):
        with pytest.raises(DatasetError):
            whole.with_rows(np.array(wrong))


def test_random_access_reads_what_tensorflow_reads(prepared: Path) -> None:
    index = PreparedData.open(prepared).split("train")
    assert len(index.shards) == 4
    expected = [r.numpy() for s in index.shards for r in tf.data.TFRecordDataset(str(s))]
    rows = np.random.default_rng(0).permutation(len(expected))
    rows = np.concatenate([rows, [-1, 0, -1]])
    assert index.reader.read(rows) == [expected[r] if r >= 0 else b"" for r in rows]


def test_a_shard_that_changes_after_opening_is_noticed(copy: Path) -> None:
    index = PreparedData.open(copy).split("train")
    shard(copy).write_bytes(b"\0" * shard(copy).stat().st_size)
    with pytest.raises(DatasetError, match="changed after it was opened"):
        index.reader.read(np.array([0]))


def test_what_the_tree_lacked_is_remembered(shared_tree: Path, tmp_path: Path) -> None:
    root = shutil.copytree(shared_tree, tmp_path / "tree")
    shutil.rmtree(root / "annotations/VA_Set/Test_Set")
    shutil.rmtree(root / "annotations/EXPR_Set/Test_Set")
    shutil.rmtree(root / "annotations/AU_Set/Test_Set")
    data = PreparedData.open(prepare_tree(root, tmp_path / "data", detector="none", progress=False))
    assert data.splits == ("train", "validation")
    assert any("no Test_Set" in sentence for sentence in data.missing)
