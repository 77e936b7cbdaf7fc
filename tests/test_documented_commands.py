"""Every command that README and docs show: known flags, known tables, files that exist."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import run
from kaffect import cli
from kaffect.errors import ConfigError
from kaffect.studies.finding import find_figure, find_table
from kaffect.studies.options import FLAGS
from kaffect.studies.options import WITH_REPORT as PAGE_FLAGS
from kaffect.studies.options import is_given
from kaffect.studies.registry import STUDIES

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("experiments/**/*.md")])
PROGRAMS = ("kaffect ", "python experiments/run.py ", "python scripts/", "scripts/")
# What stands for a file or folder of the reader's.
_OPTIONAL = re.compile(r"\[(--[^\]]*)\]")


def shown_commands(text: str) -> Iterator[str]:
    """Commands in code blocks, a line each (or continued), and in code within the text."""
    for block in re.findall(r"```bash\n(.*?)```", text, flags=re.S):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.split("   #")[0].split(" # ")[0]
    for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text):
        yield code


def programs_of(command: str) -> list[str]:
    """The part of `command` that is ours, without environment, redirection and brackets."""
    command = command.strip().removeprefix("scripts/with_venv ").removeprefix("nice ")
    command = re.sub(r"^([A-Z_]+=\S+ +)+", "", command)
    if not command.startswith(PROGRAMS) or "|" in command.split("'")[0]:
        return []
    command = re.split(r" [>&]| \| ", command)[0]
    with_flags = _OPTIONAL.sub(r"\1", command)
    return [with_flags, _OPTIONAL.sub("", command)] if with_flags != command else [command]


def all_commands() -> list[tuple[str, str]]:
    return [
        (page.relative_to(ROOT).as_posix(), program)
        for page in PAGES
        for command in shown_commands(page.read_text())
        for program in programs_of(command)
    ]


def parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """The options; a command that is only named, with no file, must exist with its flags."""
    try:
        return parser.parse_args(words)
    except SystemExit:
        named = [word for word in words if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
        flags = [word.partition("=")[0] for word in words if word.startswith("--")]
        assert len(named) + len(flags) == len(words), f"not accepted: {words}"
        text = io.StringIO()
        with contextlib.redirect_stdout(text), pytest.raises(SystemExit) as stop:
            parser.parse_args([*named, "--help"])
        assert stop.value.code == 0, f"no such command: {words}"
        for flag in flags:
            assert f"{flag} " in text.getvalue() + " ", f"{flag} is no flag of {named}"
        return argparse.Namespace()


def check(program: str) -> None:
    words = shlex.split(program.replace("...", "ELSEWHERE"))
    if words[0] == "kaffect":
        parsed(cli.parser(), words[1:])
        return
    if words[:2] == ["python", "experiments/run.py"]:
        options = parsed(run.parser(), words[2:])
        check_flags(options)
        return
    script = words[1] if words[0] == "python" else words[0]
    assert (ROOT / script).exists(), f"there is no {script}"


def check_flags(options: argparse.Namespace) -> None:
    """The flags are those of the table or figure, which is there."""
    name = options.table or options.figure
    if name is None:
        assert options.report and {f for f in FLAGS if is_given(options, f)} <= set(PAGE_FLAGS)
        return
    if name.endswith(".py") or not re.fullmatch(r"[IVX]+|A?\d+", name):
        return
    if options.figure:
        used = find_figure(name).flags  # type: ignore[attr-defined]
    else:
        used = STUDIES[find_table(name).study].flags
    given = [flag for flag in FLAGS if is_given(options, flag)]
    assert set(given) <= set(used), f"{name} does not use {set(given) - set(used)}"


def test_a_wrong_command_is_found() -> None:
    for wrong in (
        "python experiments/run.py --table XI --criteria abaw1",
        "python experiments/run.py --table XII",
        "python experiments/run.py --report part-1 --row 2",
        "python experiments/run.py --seeds 2",
        "kaffect predicct talk.mp4",
        "kaffect predict talk.mp4 --modell x",
        "python scripts/benchmark_nothing.py",
    ):
        with pytest.raises((AssertionError, ConfigError)):
            check(wrong)
    found = list(
        shown_commands("`kaffect data check DIR` and\n```bash\nkaffect a \\\n  b  # c\n```")
    )
    assert [program for c in found for program in programs_of(c)] == [
        "kaffect a    b",
        "kaffect data check DIR",
    ]


@pytest.mark.parametrize(("page", "program"), all_commands())
def test_a_shown_command_is_accepted(page: str, program: str) -> None:
    check(program)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http:", "https:", "#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"
