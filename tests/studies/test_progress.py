"""A table whose output goes to a file has a line for each validation pass, with the time left."""

from __future__ import annotations

from pathlib import Path

from tests.studies.log_lines import passes


def test_the_cnn_and_a_row_of_a_recognition_table(finished: tuple[Path, Path]) -> None:
    log = (finished[1].parent / "log").read_text()
    assert passes(log) == [
        ("CNN on single frames", "4 of 4", False),
        ("row 2/12, seed 0", "4 of 4", False),
    ]
    assert all(name in log for name in ("ccc_valence ", "ccc_arousal ", "f1_macro "))


def test_a_gan(finished_gan_table: tuple[Path, Path]) -> None:
    """After the CNN that measures its faces comes no other training."""
    log = (finished_gan_table[1].parent / "log").read_text()
    assert passes(log)[:2] == [
        ("configuration-1, row 5/5, seed 0", "6 of 12", True),
        ("configuration-1, row 5/5, seed 0", "12 of 12", False),
    ]
