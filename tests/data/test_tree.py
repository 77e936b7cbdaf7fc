"""What a data tree is, how it may be spelt, and what must not be in it (Section II-D)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from kaffect.data.subjects import leaks
from kaffect.data.tree import DataTree
from kaffect.errors import DatasetError
from tests.data.drawing import write_labels


def video(root: Path, name: str) -> Path:
    """A file that is a video by name; opening a tree decodes nothing."""
    path = root / "videos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode())
    return path


def small_tree(root: Path) -> Path:
    for name, split in (("a", "Training"), ("b", "Validation"), ("c", "Test")):
        video(root, f"{name}.mp4")
        write_labels(root, "VA", split, name, ["0,0"])
    return root


def test_the_shared_tree(shared_tree: Path) -> None:
    tree = DataTree.open(shared_tree)
    found = [(t.name, t.split, t.video.name, t.tasks, t.subject) for t in tree.tracks]
    assert found == [
        ("a", "train", "a.mp4", ("va", "expression"), "person_a"),
        ("b_left", "train", "b.mp4", ("va", "expression", "au"), "person_b_left"),
        ("b_right", "train", "b.mp4", ("va", "expression", "au"), "person_b_right"),
        ("c", "validation", "c.mp4", ("va", "expression", "au"), "person_c"),
        ("d", "test", "d.mp4", ("va", "expression", "au"), "person_d"),
    ]
    assert [t.boxes.name for t in tree.tracks if t.boxes] == ["a.csv", "b_left.csv", "c.csv"]
    assert [t.name for t in tree.split("train")] == ["a", "b_left", "b_right"]
    assert len(tree.missing) == 1 and "no face boxes for 2 of 5 tracks" in tree.missing[0]
    assert not tree.synthetic


SPELLINGS = [
    ("annotations", "VA_Set", "Training_Set"),
    ("annotations", "VA_Set", "Train_Set"),
    ("annotations", "VA_Estimation_Challenge", "Train_Set"),
    ("5th ABAW Annotations", "VA_Estimation_Challenge", "Train_Set"),
    ("Annotations", "va_set", "training_set"),
    (".", "VA_Set", "Training_Set"),
]


@pytest.mark.parametrize("place", SPELLINGS, ids="/".join)
def test_spellings_of_the_releases(tmp_path: Path, place: tuple[str, str, str]) -> None:
    video(tmp_path, "a.mp4")
    folder = tmp_path.joinpath(*place)
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("valence,arousal\n0,0\n")
    (track,) = DataTree.open(tmp_path).tracks
    assert (track.split, track.tasks) == ("train", ("va",))


@pytest.mark.parametrize(
    "folder,task",
    [
        ("EXPR_Set", "expression"),
        ("EXPR_Classification_Challenge", "expression"),
        ("EXPR_Recognition_Challenge", "expression"),
        ("AU_Set", "au"),
        ("AU_Detection_Challenge", "au"),
    ],
)
def test_spellings_of_the_tasks(tmp_path: Path, folder: str, task: str) -> None:
    video(tmp_path, "a.mkv")
    path = tmp_path / "annotations" / folder / "Test_Set" / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_text("")
    (track,) = DataTree.open(tmp_path).tracks
    assert (track.split, track.tasks) == ("test", (task,))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi", ".webm", ".MP4"])
def test_video_suffixes_and_subfolders(tmp_path: Path, suffix: str) -> None:
    path = video(tmp_path, f"batch1/a{suffix}")
    write_labels(tmp_path, "VA", "Training", "a", ["0,0"])
    assert DataTree.open(tmp_path).tracks[0].video == path


def test_missing_parts_are_told_not_fatal(tmp_path: Path) -> None:
    small_tree(tmp_path)
    shutil.rmtree(tmp_path / "annotations/VA_Set/Test_Set")
    tree = DataTree.open(tmp_path)
    told = "\n".join(tree.missing)
    assert "no Test_Set: there are no test scores" in told
    assert "no subject for 2 of 2 tracks (a, b)" in told
    assert "1 videos have no annotation" in told
    assert "Training_Set:" not in told
    assert str(tmp_path) not in told, "a sentence that goes into manifests names this machine"


def test_missing_video_names_the_annotation_and_the_place(tmp_path: Path) -> None:
    small_tree(tmp_path)
    (tmp_path / "videos/b.mp4").unlink()
    with pytest.raises(DatasetError) as caught:
        DataTree.open(tmp_path)
    text = str(caught.value)
    assert "VA_Set/Validation_Set/b.txt: no video" in text
    assert str(tmp_path / "videos" / "b") in text and ".mkv" in text


def test_not_a_tree_says_what_one_looks_like(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "holiday.jpg"):
        with pytest.raises(
            DatasetError,
            match="videos/<name>.mp4 or cropped_aligned/<name>/00001.jpg, annotations/",
        ) as caught:
            DataTree.open(path)
        assert str(path) in str(caught.value)


def test_a_track_in_two_splits(tmp_path: Path) -> None:
    small_tree(tmp_path)
    write_labels(tmp_path, "EXPR", "Validation", "a", ["0"])
    with pytest.raises(DatasetError, match="'a' is in more than one split.*EXPR_Set/Validation"):
        DataTree.open(tmp_path)


def test_a_video_in_two_splits(tmp_path: Path) -> None:
    small_tree(tmp_path)
    write_labels(tmp_path, "VA", "Training", "b_left", ["0,0"])
    with pytest.raises(DatasetError, match=r"video 'b.mp4' is in train \(b_left\) and in valid"):
        DataTree.open(tmp_path)


def test_a_person_in_two_splits(tmp_path: Path) -> None:
    small_tree(tmp_path)
    (tmp_path / "subjects.csv").write_text("video,subject\na.mp4,p\nb,q\nc.mp4,p\n")
    with pytest.raises(DatasetError, match=r"subject 'p' is in test \(c\) and in train \(a\)"):
        DataTree.open(tmp_path)


def test_the_same_task_twice(tmp_path: Path) -> None:
    small_tree(tmp_path)
    other = tmp_path / "annotations/VA_Estimation_Challenge/Train_Set/a.txt"
    other.parent.mkdir(parents=True)
    other.write_text("valence,arousal\n0,0\n")
    with pytest.raises(DatasetError, match="a second annotation of the same task"):
        DataTree.open(tmp_path)


def test_two_videos_of_one_name(tmp_path: Path) -> None:
    small_tree(tmp_path)
    video(tmp_path, "a.avi")
    with pytest.raises(DatasetError, match="a second video of that name"):
        DataTree.open(tmp_path)


def test_side_tracks_prefer_their_own_video(tmp_path: Path) -> None:
    small_tree(tmp_path)
    own = video(tmp_path, "x_left.mp4")
    video(tmp_path, "x.mp4")
    write_labels(tmp_path, "VA", "Training", "x_left", ["0,0"])
    write_labels(tmp_path, "VA", "Training", "x_right", ["0,0"])
    found = {t.name: t.video for t in DataTree.open(tmp_path).tracks}
    assert found["x_left"] == own
    assert found["x_right"].name == "x.mp4"


def test_leaks_of_random_partitions() -> None:
    """Against a direct search over all pairs."""
    import random

    chance = random.Random(0)
    leaking = 0
    for _ in range(300):
        tracks = [
            (f"t{n}", chance.choice(["train", "validation", "test"]),
             f"v{chance.randrange(20)}", chance.choice([None, f"p{chance.randrange(25)}"]))
            for n in range(chance.randrange(1, 9))
        ]  # fmt: skip
        pairs = any(
            x[1] != y[1] and (x[2] == y[2] or (x[3] is not None and x[3] == y[3]))
            for x in tracks
            for y in tracks
        )
        leaking += pairs
        assert bool(leaks(tracks)) == pairs
    assert 50 < leaking < 290


def test_hash_follows_contents_not_place(tmp_path: Path) -> None:
    first = small_tree(tmp_path / "one")
    second = small_tree(tmp_path / "two")
    assert DataTree.open(first).hash() == DataTree.open(second).hash()
    changed = second / "annotations/VA_Set/Training_Set/a.txt"
    changed.write_text(changed.read_text().replace("0,0", "0,1"))
    assert DataTree.open(first).hash() != DataTree.open(second).hash()


OPENED: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def witness() -> None:
    """Notes every file that Python opens, from here on."""
    sys.addaudithook(lambda event, args: OPENED.append(str(args[0])) if event == "open" else None)


@pytest.mark.parametrize("what", ["annotation", "video", "boxes", "subjects"])
def test_links_that_lead_out_are_refused_unopened(tmp_path: Path, what: str) -> None:
    root = small_tree(tmp_path / "tree")
    outside = tmp_path / "tree-evil"  # shares the beginning of the root's name
    outside.mkdir()
    secret = outside / "secret"
    secret.write_text("valence,arousal\n0,0\n")
    link = {
        "annotation": root / "annotations/VA_Set/Training_Set/a.txt",
        "video": root / "videos/a.mp4",
        "boxes": root / "boxes/a.csv",
        "subjects": root / "subjects.csv",
    }[what]
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    OPENED.clear()
    with pytest.raises(DatasetError, match="leaves the folder"):
        DataTree.open(root)
    assert not [path for path in OPENED if "secret" in path or str(link) == path]


def test_the_folder_videos_may_be_a_link(tmp_path: Path) -> None:
    root = small_tree(tmp_path / "tree")
    (root / "videos").rename(tmp_path / "disk")
    (root / "videos").symlink_to(tmp_path / "disk")
    assert len(DataTree.open(root).tracks) == 3
    assert len(DataTree.open(root).hash()) == 16
