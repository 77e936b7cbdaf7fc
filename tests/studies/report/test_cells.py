"""Intervals, stars and what is said where there are none: from results folders written by hand.

The oracles know the frames: they leave people out of the frames and compute CCC again.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from kaffect.studies.report import (
    ReferenceRow,
    render_html,
    render_markdown,
    render_terminal,
    summarise,
)
from kaffect.studies.stored_sums import StoredSums

LENGTHS = (40, 25, 60, 30, 45)
PEOPLE = np.repeat([f"subject_{i}" for i in range(len(LENGTHS))], LENGTHS)
REFERENCE = [ReferenceRow(i, f"row {i}", f"row {i}", {"ccc_valence": 0.5}) for i in (1, 2, 3)]


def frames(seed: int = 0) -> SimpleNamespace:
    """Valence labels, and what makes each person hard in the same way for every network."""
    generator = np.random.default_rng(seed)
    count = len(PEOPLE)
    hard = np.repeat([0.1, 0.45, 0.2, 0.6, 0.3], LENGTHS) * generator.normal(0, 1, count)
    noise = generator.normal(0, 1, (6, count))
    return SimpleNamespace(truth=generator.normal(0, 0.35, count), hard=hard, noise=noise)


FRAMES = frames()


def predicted(row: int, seed: int) -> np.ndarray:
    """Row 1 is the best; row 2 says less of everybody; row 3 differs by noise; so do seeds."""
    share, own = {1: (1.0, 0), 2: (0.6, 0), 3: (0.98, 3)}[row]
    share *= (1.0, 0.75, 0.9)[seed]
    return share * FRAMES.truth + FRAMES.hard + 0.05 * FRAMES.noise[own + seed]


def ccc(x: np.ndarray, y: np.ndarray) -> float:
    (xx, xy), (_, yy) = np.cov(x, y, bias=True)
    return 2 * xy / (xx + yy + (x.mean() - y.mean()) ** 2)


def sums(prediction: np.ndarray, people: np.ndarray = PEOPLE) -> dict:
    """As docs/statistics.md defines them; arousal is labelled as valence is."""
    values = []
    for person in sorted(set(people)):
        x, y = FRAMES.truth[people == person], prediction[people == person]
        dx, dy = x - x.mean(), y - y.mean()
        one = [len(x), x.mean(), y.mean(), dx @ dx, dy @ dy, dx @ dy]
        values.append([one, one])
    clusters = sorted(set(people))
    return {"va": {"kind": "moments", "clusters": clusters, "values": values}}


def write(folder: Path, row: int, seed: int = 0, people: np.ndarray = PEOPLE, **changes) -> dict:
    """A record and its file of sums."""
    prediction = predicted(row, seed)
    name = f"clusters/row-{row}-seed-{seed}.json"
    (folder / "clusters").mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(sums(prediction, people)))
    record = {
        "table": "XI",
        "row": row,
        "seed": seed,
        "metrics": {"ccc_valence": ccc(FRAMES.truth, prediction)},
        "validation": {"score": 1.0 / row},
        "data_kind": "real",
        "data_name": "videos",
        "profile": "paper",
        "clusters": name,
    }
    return {**record, **changes}


def summary(folder: Path, *runs: dict, **options):
    return summarise(runs, REFERENCE, table="XI", stored=StoredSums(folder), **options)


def cell(result, row: int):
    return next(line for line in result.lines if line.row == row).cells[-1]


def valence(result, row: int):
    return cell(result, row).metrics["ccc_valence"]


def note(result, start: str) -> str:
    (found,) = [text for text in result.notes if text.startswith(start)]
    return found


def left_out(prediction: np.ndarray) -> np.ndarray:
    """CCC without each person, from the frames."""
    kept = [PEOPLE != person for person in sorted(set(PEOPLE))]
    return np.array([ccc(FRAMES.truth[k], prediction[k]) for k in kept])


def freedom() -> float:
    return sum(LENGTHS) ** 2 / sum(n**2 for n in LENGTHS) - 1


def crossed(scores: np.ndarray, without: np.ndarray) -> tuple[float, float]:
    """Mean over seeds and half width: scores [seeds], scores without each person [seeds, people].

    A two-way layout of pseudo-values: the seeds' part at S - 1 degrees of freedom, the people's
    at the effective number of them less one.
    """
    s, k = without.shape
    pseudo = k * scores[:, None] - (k - 1) * without
    residue = pseudo - pseudo.mean(1, keepdims=True) - pseudo.mean(0) + pseudo.mean()
    interaction = np.sum(residue**2) / (s - 1) / (k - 1) / s / k
    of_seeds = max(np.var(scores, ddof=1) / s - interaction, 0)
    of_people = (k - 1) / k * np.sum((without.mean(0) - scores.mean()) ** 2)
    t_seeds, t_people = stats.t.ppf(0.975, s - 1), stats.t.ppf(0.975, freedom())
    return scores.mean(), math.sqrt(t_seeds**2 * of_seeds + t_people**2 * of_people)


def row_crossed(row: int, seeds=range(3)) -> tuple[float, float]:
    every = [predicted(row, seed) for seed in seeds]
    scores = np.array([ccc(FRAMES.truth, p) for p in every])
    return crossed(scores, np.stack([left_out(p) for p in every]))


def paired(row: int, seeds=range(3)) -> tuple[float, float]:
    """Of row minus row 1."""
    own, best = ([predicted(r, seed) for seed in seeds] for r in (row, 1))
    scores = np.array([ccc(FRAMES.truth, a) - ccc(FRAMES.truth, b) for a, b in zip(own, best)])
    return crossed(scores, np.stack([left_out(a) - left_out(b) for a, b in zip(own, best)]))


def ends(value) -> tuple[float, float]:
    return value.interval.low, value.interval.high


def test_one_seed_has_the_jackknife_over_people(tmp_path: Path) -> None:
    result = summary(tmp_path, write(tmp_path, 1), write(tmp_path, 2))
    estimate, k = ccc(FRAMES.truth, predicted(1, 0)), len(LENGTHS)
    error = math.sqrt((k - 1) / k * np.sum((left_out(predicted(1, 0)) - estimate) ** 2))
    half = stats.t.ppf(0.975, freedom()) * error
    assert half > 0.05, "the test says nothing of a width of 0"
    wanted = max(-1, estimate - half), min(1, estimate + half)
    assert ends(valence(result, 1)) == pytest.approx(wanted, rel=1e-9)
    said = note(result, "[low, high]")
    assert "over people alone: 5 people" in said and "another seed" in said
    assert note(result, "With fewer than ten people")


def test_one_seed_never_gets_a_star(tmp_path: Path) -> None:
    result = summary(tmp_path, write(tmp_path, 1), write(tmp_path, 2))
    # The difference of these two runs is clear for other people, but not for other seeds.
    without = left_out(predicted(2, 0)) - left_out(predicted(1, 0))
    difference = ccc(FRAMES.truth, predicted(2, 0)) - ccc(FRAMES.truth, predicted(1, 0))
    error = math.sqrt(4 / 5 * np.sum((without - difference) ** 2))
    assert abs(difference) > stats.t.ppf(0.975, freedom()) * error
    assert not valence(result, 2).star and valence(result, 2).difference is None
    assert note(result, "One seed tells nothing of another")
    assert "*" not in render_terminal(result, 100).plain
    # Three seeds of the best row and one of the other are no pair of rows either.
    runs = [write(tmp_path, 1, seed) for seed in range(3)]
    mixed = summary(tmp_path, *runs, write(tmp_path, 2))
    assert not valence(mixed, 2).star and valence(mixed, 2).interval.seeds == 1
    assert "row 2" in note(mixed, "Not compared with the best row")
    assert note(mixed, "[low, high] of rows with one seed")


@pytest.fixture()
def three(tmp_path: Path):
    """Three rows of three seeds; rows 2 and 3 in another order of their seeds."""
    runs = [write(tmp_path, 1, seed) for seed in (0, 1, 2)]
    runs += [write(tmp_path, 2, seed) for seed in (2, 0, 1)]
    runs += [write(tmp_path, 3, seed) for seed in (1, 2, 0)]
    return SimpleNamespace(folder=tmp_path, runs=runs, result=summary(tmp_path, *runs))


def test_several_seeds_have_the_interval_over_seeds_and_people(three) -> None:
    for row in (1, 2, 3):
        mean, half = row_crossed(row)
        value = valence(three.result, row)
        assert ends(value) == pytest.approx((max(-1, mean - half), min(1, mean + half)), rel=1e-9)
        assert (value.interval.seeds, value.interval.clusters) == (3, 5)
        # Mean and deviation are those of the records.
        scores = [ccc(FRAMES.truth, predicted(row, seed)) for seed in range(3)]
        assert value.mean == pytest.approx(np.mean(scores), rel=1e-12)
        assert value.deviation == pytest.approx(np.std(scores, ddof=1), rel=1e-9)
    assert "3 seeds, 5 people" in note(three.result, "[low, high]")


def test_the_parts_of_seeds_and_of_people_are_told_apart(three) -> None:
    every = [predicted(1, seed) for seed in range(3)]
    scores = np.array([ccc(FRAMES.truth, p) for p in every])
    without = np.stack([left_out(p) for p in every])
    people = math.sqrt(4 / 5 * np.sum((without.mean(axis=0) - scores.mean()) ** 2))
    pseudo = -4 * without
    residue = pseudo - pseudo.mean(1, keepdims=True) - pseudo.mean(0) + pseudo.mean()
    interaction = np.sum(residue**2) / 2 / 4 / 15
    seeds = math.sqrt(max(np.var(scores, ddof=1) / 3 - interaction, 0))
    assert seeds > 0.01 < people
    assert f"CCC valence {seeds:.3f} and {people:.3f}." in note(three.result, "Standard errors")


def test_the_star_is_of_the_paired_difference(three) -> None:
    (mean, half), alone, best = paired(2), row_crossed(2)[1], row_crossed(1)[1]
    assert abs(mean) > half, "paired, row 2 differs"
    assert abs(mean) < min(math.hypot(alone, best), alone + best), "not paired, it would not"
    found = valence(three.result, 2).difference
    assert (found.mean, found.low, found.high) == pytest.approx(
        (mean, mean - half, mean + half), rel=1e-9
    )
    mean, half = paired(3)
    assert abs(mean) < half, "row 3 does not differ"
    stars = [valence(three.result, row).star for row in (1, 2, 3)]
    assert stars == [False, True, False]
    assert [bool(cell(three.result, row).mark) for row in (1, 2, 3)] == [True, False, False]
    assert "excludes 0" in note(three.result, "*: differs from the best row")
    assert "2/2^3 = 0.25" in note(three.result, "With 3 seeds")


def test_rows_are_compared_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    runs = [write(tmp_path, 1, seed) for seed in (0, 1)]
    runs += [write(tmp_path, 2, seed) for seed in (1, 2, 0)]
    found = valence(summary(tmp_path, *runs), 2)
    mean, half = paired(2, (0, 1))
    assert found.difference.seeds == 2 and found.n == 3
    assert (found.difference.mean, found.difference.high) == pytest.approx(
        (mean, mean + half), rel=1e-9
    )


def test_every_form_shows_interval_star_and_best(three) -> None:
    result = three.result
    low, high = ends(valence(result, 2))
    mean, half = paired(2)
    difference = f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"
    markdown = render_markdown(result)
    row = next(line for line in markdown.splitlines() if line.startswith("| 2 |"))
    assert f" [{low:.3f}, {high:.3f}] (n=3) \\* |" in row
    assert "(n=3, best) |" in next(s for s in markdown.splitlines() if s.startswith("| 1 |"))
    assert f"| 2 | row 2 | {difference} \\* |" in markdown and "Row minus best row 1" in markdown
    plain = render_terminal(result, 100).plain
    lines = [line.split() for line in plain.splitlines() if line.startswith(" 2 row 2")]
    assert lines[0][-2].endswith("*") and lines[0][-1] == "n=3"
    shown = [f"{value:.3f}".replace("0.", ".", 1) for value in (low, high)]
    assert lines[1][-2:] == [f"[{shown[0]},", f"{shown[1]}]"]
    assert re.search(r"^ 1 row 1 .* n=3 best$", plain, re.MULTILINE)
    html = render_html(result)
    text = "".join(
        ElementTree.fromstring(
            html[html.index("<table>") :].split("</table>")[0] + "</table>"
        ).itertext()
    )
    assert f"n=3 best{valence(result, 1).mean:.3f}±" in text
    assert f"{valence(result, 2).mean:.3f}*±" in text and f"[{low:.3f}, {high:.3f}]" in text
    assert f'{difference}<span class="star">*</span>' in html


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_terminal_keeps_its_width(three, width: int) -> None:
    lines = render_terminal(three.result, width).plain.splitlines()
    assert max(map(len, lines)) <= width and lines == [line.rstrip() for line in lines]
    assert sum("95 % intervals, ours" in line for line in lines) == 1


def test_whiskers_are_the_ends_of_the_interval(three) -> None:
    html = render_html(three.result)
    svg = re.search(r'<svg [^>]*aria-label="CCC valence.*?</svg>', html, re.DOTALL).group()
    plot = ElementTree.fromstring(svg)
    ticks = {t.text: float(t.get("x")) for t in plot.iter("text") if t.get("class") == "tick"}
    unit = (ticks["0.8"] - ticks["0.0"]) / 0.8
    for row in (1, 2, 3):
        group = next(g for g in plot.iter("g") if g.find("title").text == f"row {row}")
        (whisker,) = [e for e in group.iter("line") if e.get("class") == "mark real"]
        for name, value in zip(("x1", "x2"), ends(valence(three.result, row))):
            assert float(whisker.get(name)) == pytest.approx(ticks["0.0"] + value * unit, abs=0.1)
    assert "95 % interval</span>" in html


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def of_other_figures(path: Path) -> None:
    path.write_text(json.dumps(sums(predicted(2, 2) * 0.9)))


def of_no_people(path: Path) -> None:
    path.write_text(json.dumps({"va": {"kind": "moments", "clusters": [], "values": []}}))


def not_finite(path: Path) -> None:
    path.write_text(path.read_text().replace("[40, ", "[NaN, ", 1))


def of_one_column(path: Path) -> None:
    stored = sums(predicted(2, 1))
    stored["va"]["values"] = [columns[:1] for columns in stored["va"]["values"]]
    path.write_text(json.dumps(stored))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "is missing"),
        (cut, "is damaged"),
        (of_no_people, "is damaged"),
        (not_finite, "is damaged"),
        (of_one_column, "is damaged"),
        (of_other_figures, "another figure"),
        (lambda path: path.write_text('["va"]'), "is damaged"),
        (lambda path: path.write_text('{"va": 3}'), "is damaged"),
    ],
)
def test_bad_sums_cost_the_interval_and_nothing_else(three, spoil, reason: str) -> None:
    spoil(three.folder / "clusters" / "row-2-seed-1.json")
    result = summary(three.folder, *three.runs)
    before, after = valence(three.result, 2), valence(result, 2)
    assert (after.mean, after.deviation, after.n) == (before.mean, before.deviation, before.n)
    assert after.interval is None and not after.star
    assert "row 2" in note(result, "No 95 % interval") and reason in note(
        result, "No 95 % interval"
    )
    assert valence(result, 1).interval == valence(three.result, 1).interval
    assert render_html(result) and "[" in render_markdown(result)


def test_a_record_cannot_name_a_file_outside_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    record = write(tmp_path, 1)
    for name in ("../" + record["clusters"], str(tmp_path / record["clusters"]), "a\0b", 7):
        result = summary(folder, {**record, "clusters": name})
        assert valence(result, 1).interval is None and note(result, "No 95 % interval")


def test_old_records_have_no_interval_and_the_note_says_so(three) -> None:
    old = [{k: v for k, v in run.items() if k != "clusters"} for run in three.runs]
    result = summary(three.folder, *old)
    assert all(valence(result, row).interval is None for row in (1, 2, 3))
    assert valence(result, 2).mean == valence(three.result, 2).mean
    assert "earlier version" in note(result, "No 95 % interval")
    assert not any(text.startswith(("[low", "*:")) for text in result.notes)
    assert "[" not in render_terminal(result, 100).plain.split("- ")[0]


def test_one_person_is_no_sample(tmp_path: Path) -> None:
    alone = np.full(len(PEOPLE), "subject_0")
    result = summary(tmp_path, *[write(tmp_path, 1, seed, alone) for seed in (0, 1)])
    assert valence(result, 1).interval is None
    assert "of one person or video" in note(result, "No 95 % interval")


def test_videos_are_counted_where_people_are_not_known(tmp_path: Path) -> None:
    videos = np.char.replace(PEOPLE, "subject_", "track v")
    result = summary(tmp_path, write(tmp_path, 1, people=videos))
    assert "5 videos" in note(result, "[low, high]")


def test_a_row_scored_on_other_frames_is_not_compared(three) -> None:
    others = np.roll(PEOPLE, 20)
    runs = [r for r in three.runs if r["row"] != 2]
    runs += [write(three.folder, 2, seed, others) for seed in range(3)]
    result = summary(three.folder, *runs)
    assert valence(result, 2).interval is not None and valence(result, 2).difference is None
    assert "row 2" in note(result, "Not compared with the best row")


def test_metrics_without_sums_are_named(three) -> None:
    runs = [{**r, "metrics": {**r["metrics"], "p_mtl": 0.5}} for r in three.runs]
    result = summary(three.folder, *runs, metrics=("ccc_valence", "p_mtl"))
    assert cell(result, 1).metrics["p_mtl"].interval is None
    assert note(result, "P_MTL: without interval")


def units(row: int, score: float, thresholds: str, **changes) -> dict:
    return {
        **{"table": "A4", "row": row, "seed": 0, "data_kind": "real", "data_name": "videos"},
        **{"profile": "paper", "metrics": {"au_f1_macro": 0.4}, "validation": {"score": score}},
        **{"config": {"train": {"thresholds": thresholds}}, **changes},
    }


def best(*runs: dict) -> list[int | None]:
    result = summarise(runs, REFERENCE, table="A4", metrics=("au_f1_macro",))
    return [line.row for line in result.lines if line.cells[-1].mark]


def test_thresholds_chosen_on_validation_do_not_compete_there() -> None:
    runs = [units(1, 0.5, "half"), units(2, 0.6, "half"), units(3, 0.9, "validation")]
    assert best(*runs) == [2]
    result = summarise(runs, REFERENCE, table="A4", metrics=("au_f1_macro",))
    assert "row 3" in note(result, "Action Unit thresholds of")
    # Where all rows choose them, all compete; so does a row that has no units.
    assert best(*[units(i, i / 9, "validation") for i in (1, 2, 3)]) == [3]
    plain = {"metrics": {"ccc_valence": 0.5}}
    runs = [units(1, 0.5, "half", **plain), units(2, 0.9, "validation", **plain)]
    result = summarise(runs, REFERENCE, table="A4", metrics=("ccc_valence",))
    assert cell(result, 2).mark == "best"


def test_best_is_told_by_the_seeds_that_all_rows_have() -> None:
    runs = [units(1, 0.5, "half"), units(1, 0.9, "half", seed=1), units(2, 0.6, "half")]
    assert best(*runs) == [2]
    assert best(*runs, units(2, 0.7, "half", seed=1)) == [1]
