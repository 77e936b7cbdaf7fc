"""Counts, splits and people of synthetic Aff-Wild against Section II of the paper."""

from __future__ import annotations

from collections import Counter

import pytest

from kaffect.errors import ConfigError
from kaffect.synthetic import SyntheticConfig, make_plan

# Typed from Section II-B, II-C and II-D, not taken from the code under test.
PAPER_VIDEOS = {
    ("expression", "train"): 30, ("expression", "validation"): 10, ("expression", "test"): 15,
    ("au", "train"): 38, ("au", "validation"): 8, ("au", "test"): 18,
}  # fmt: skip
PAPER_PEOPLE = {
    ("expression", "male"): 25, ("expression", "female"): 31,
    ("au", "male"): 40, ("au", "female"): 24,
}  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    return make_plan(SyntheticConfig())


def test_videos_per_split_are_the_papers(plan):
    assert Counter((video.task, video.split) for video in plan) == PAPER_VIDEOS


def test_men_and_women_are_the_papers(plan):
    people = {(video.task, track.subject, track.gender) for video in plan for track in video.tracks}
    assert Counter((task, gender) for task, _, gender in people) == PAPER_PEOPLE


def test_no_person_is_in_two_splits(plan):
    seen: dict[str, str] = {}
    for video in plan:
        for track in video.tracks:
            assert seen.setdefault(track.subject, video.split) == video.split


def test_one_video_shows_two_people(plan):
    pairs = [video for video in plan if len(video.tracks) == 2]
    assert len(pairs) == 1
    (video,) = pairs
    assert [track.name for track in video.tracks] == [f"{video.name}_left", f"{video.name}_right"]
    assert video.tracks[0].subject != video.tracks[1].subject


def test_numbers_of_videos_say_nothing_about_the_set(plan):
    assert [video.name for video in plan] == [f"{n:03d}" for n in range(1, 120)]
    tests = [int(video.name) for video in plan if video.split == "test"]
    assert min(tests) < 20 and max(tests) > 100  # spread over all numbers


def test_rates_and_sizes_vary_and_most_videos_have_30_fps(plan):
    rates = Counter(round(float(video.fps), 3) for video in plan)
    assert rates.most_common(1)[0][0] == 30.0 and rates[30.0] > len(plan) / 2
    assert {23.976, 25.0, 29.97} <= set(rates)
    assert len({video.size for video in plan}) >= 4
    assert all(w % 2 == 0 and h % 2 == 0 for w, h in (video.size for video in plan))


def test_episodes_fill_each_video(plan):
    for video in plan:
        for track in video.tracks:
            edges = [(e.begin, e.end) for e in track.episodes]
            assert edges[0][0] == 0 and edges[-1][1] * float(video.fps) == pytest.approx(
                video.frames, abs=1
            )
            assert all(a[1] == b[0] for a, b in zip(edges, edges[1:]))


def test_another_seed_gives_another_plan_and_the_same_counts(plan):
    other = make_plan(SyntheticConfig(seed=1))
    assert [v.seed for v in other] != [v.seed for v in plan]
    assert Counter((video.task, video.split) for video in other) == PAPER_VIDEOS


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"label_space": "affectnet"}, "label_space"),
        ({"au_videos": (1, 2)}, "au_videos"),
        ({"au_videos": (1, 2, -1)}, "au_videos"),
        ({"au_videos": (0, 0, 0), "expression_videos": (0, 0, 0)}, "no video"),
        ({"seconds": 0.1}, "seconds"),
        ({"sizes": ((321, 240),)}, "sizes"),
    ],
)
def test_settings_that_cannot_be_rendered_are_refused(changes, word):
    with pytest.raises(ConfigError, match=word):
        SyntheticConfig(**changes)


def test_settings_survive_json_and_unknown_ones_are_refused():
    config = SyntheticConfig.profile("smoke", seed=3)
    assert SyntheticConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="colour"):
        SyntheticConfig.from_dict({"colour": 1})
    with pytest.raises(ConfigError, match="'demo', 'paper', 'smoke'"):
        SyntheticConfig.profile("huge")


def test_a_share_of_the_videos_carries_the_labels_of_both_sets() -> None:
    plain, joint = (make_plan(SyntheticConfig(joint_share=s)) for s in (0.0, 0.4))
    assert all(video.tasks == (video.task,) for video in plain)
    both = [video for video in joint if len(video.tasks) == 2]
    assert 0.25 < len(both) / len(joint) < 0.55
    assert all(video.task in video.tasks for video in joint)
    # Nothing else changes: the same people do the same in the same videos.
    assert [v.seed for v in plain] == [v.seed for v in joint]
    assert [v.tracks for v in plain] == [v.tracks for v in joint]
    assert "joint_share" not in SyntheticConfig().to_dict()
    assert SyntheticConfig.from_dict(SyntheticConfig(joint_share=0.4).to_dict()).joint_share == 0.4
