"""Runs the tests of reliability, many kills and long fuzzing among them, and keeps their figures.

    python scripts/nightly.py               # all of them, and every other nightly test
    python scripts/nightly.py 1 4 7         # some checks
    python scripts/nightly.py others        # nightly tests that belong to no check
    python scripts/nightly.py --page        # only write the page anew

Each test or script gives a line in docs/reliability.jsonl, in the place of its earlier one.
docs/reliability.md is written from these lines and from tests/reliability.py.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from kaffect.files import write_text  # noqa: E402
from kaffect.processor import processor_name, processors  # noqa: E402
from kaffect.studies.results import commit, now  # noqa: E402
from tests.reliability import CHECKS, Check  # noqa: E402

LINES, PAGE = ROOT / "docs" / "reliability.jsonl", ROOT / "docs" / "reliability.md"
OTHERS = "others"
Line = dict[str, Any]


def functions(root: Path = ROOT) -> dict[str, bool]:
    """Every test of the project, and whether some of it is nightly."""
    found = {}
    for path in sorted(root.glob("tests/**/test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                nightly = any("mark.nightly" in ast.unparse(d) for d in node.decorator_list)
                found[f"{path.relative_to(root).as_posix()}::{node.name}"] = nightly
    return found


def run_tests(tests: Iterable[str]) -> dict[str, Line]:
    """Run tests with all their parameters; outcome, duration and figures of each."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-p", "no:cacheprovider", "-m", "nightly or not nightly"]
        # The newer family of reports has no figures of single tests.
        options += [f"--junitxml={report}", "-o", "junit_family=xunit1"]
        subprocess.run([sys.executable, "-m", "pytest", *options, *tests], cwd=ROOT)
        return read_report(report) if report.exists() else {}


def read_report(report: Path) -> dict[str, Line]:
    """What pytest wrote, the parameters of a test together."""
    found: dict[str, Line] = {}
    for case in xml.parse(report).iter("testcase"):
        place = case.get("classname", "").replace(".", "/")
        name = f"{place}.py::{case.get('name', '').partition('[')[0]}"
        line = found.setdefault(
            name, {"cases": 0, "passed": 0, "skipped": 0, "seconds": 0.0, "figures": {}}
        )
        bad = any(case.find(kind) is not None for kind in ("failure", "error"))
        skipped = case.find("skipped") is not None
        line["cases"] += 1
        line["skipped"] += skipped
        line["passed"] += not bad and not skipped
        line["seconds"] = round(line["seconds"] + float(case.get("time", 0)), 1)
        for figure in case.iter("property"):
            add(line["figures"], figure.get("name", ""), figure.get("value", ""))
    return found


def add(figures: dict[str, Any], name: str, value: str) -> None:
    """Counts are added up; of other numbers the largest is kept."""
    number = json.loads(value)
    before = figures.get(name, 0)
    figures[name] = before + number if isinstance(number, int) else max(before, number)


def run_script(command: str) -> Line:
    """Run a script that writes its figures as JSON where `--json` says."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        name, *arguments = command.split()
        words = [sys.executable, str(ROOT / "scripts" / name), *arguments, "--json", str(out)]
        passed = subprocess.run(words, cwd=ROOT).returncode == 0 and out.exists()
        figures = json.loads(out.read_text()) if passed else {}
    seconds = round(time.monotonic() - started, 1)
    return {"cases": 1, "passed": int(passed), "skipped": 0, "seconds": seconds, "figures": figures}


def read_lines(path: Path = LINES) -> dict[tuple[Any, str], Line]:
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(line["check"], line["test"]): line for line in lines}


def run(chosen: Iterable[str]) -> int:
    """Run the chosen checks one after the other; each is kept as soon as it is done."""
    failed = 0
    for name in chosen:
        check = CHECKS.get(int(name)) if name != OTHERS else None
        number: Any = int(name) if check else OTHERS
        tests = check.tests if check else other_tests()
        scripts = {f"scripts/{script}": script for script in (check.measured if check else ())}
        found = run_tests(tests)
        for test in tests:
            found.setdefault(
                test, {"cases": 0, "passed": 0, "skipped": 0, "seconds": 0.0, "figures": {}}
            )
        # Before the scripts, which take long: whoever ends them keeps what the tests gave.
        keep(number, found, scripts)
        for shown, script in scripts.items():
            found[shown] = run_script(script)
            keep(number, {shown: found[shown]}, found.keys() | scripts)
        bad = [t for t, line in found.items() if line["passed"] + line["skipped"] < line["cases"]]
        bad += [test for test, line in found.items() if not line["cases"]]
        failed += len(bad)
        print(f"check {name}: {'failed: ' + ', '.join(bad) if bad else 'passed'}", flush=True)
    return failed


def keep(number: Any, found: dict[str, Line], others: Collection[str] = ()) -> None:
    """Put the lines of a check in the place of its earlier ones; those of `others` stay."""
    head = {
        "check": number,
        "time": now(),
        "commit": commit(),
        "processor": f"{processor_name()}, {processors()} cores",
    }
    before = read_lines().items()
    lines = {key: line for key, line in before if key[0] != number or key[1] in others}
    for test, line in found.items():
        lines[number, test] = {**head, "test": test, **line}
    order = sorted(lines, key=lambda key: (str(key[0]).zfill(6), key[1]))
    write_text(LINES, "".join(json.dumps(lines[key], sort_keys=True) + "\n" for key in order))


def other_tests() -> list[str]:
    """Nightly tests that belong to no check."""
    named = {test for check in CHECKS.values() for test in check.tests}
    return [test for test, nightly in functions().items() if nightly and test not in named]


def page(lines: dict[tuple[Any, str], Line] | None = None) -> str:
    """docs/reliability.md."""
    lines = read_lines() if lines is None else lines
    parts = [_HEAD]
    for number, check in CHECKS.items():
        parts += section(number, check, [v for k, v in lines.items() if k[0] == number])
    return "\n".join(parts)


def section(number: int, check: Check, lines: list[Line]) -> list[str]:
    """A check: its promise, and a row for each test with what was measured."""
    by_test = {line["test"]: line for line in lines}
    limits = f" ({check.note})" if check.note else ""
    parts = [f"## {number}. {check.title}", "", f"{check.promise}{limits}.", ""]
    parts += ["| test | run | passed | figures | measured |", "|---|---|---|---|---|"]
    kinds = [(t, "default") for t in check.default] + [(t, "nightly") for t in check.nightly]
    kinds += [(f"scripts/{script}", "script") for script in check.measured]
    for test, kind in kinds:
        parts.append(row(test, kind, by_test.get(test)))
    return [*parts, ""]


def row(test: str, kind: str, line: Line | None) -> str:
    shown = f"`{test.removeprefix('tests/')}`"
    if line is None:
        return f"| {shown} | {kind} | not measured | | |"
    passed = f"{line['passed']} of {line['cases']}"
    passed += f", {line['skipped']} skipped" if line["skipped"] else ""
    figures = "; ".join(f"{name}: {value:,}" for name, value in line["figures"].items())
    return f"| {shown} | {kind} | {passed} | {figures} | {line['time'][:10]} |"


_HEAD = """# Reliability

What this software promises and which tests show it. Tests marked *default* run with every
change; the others, with 2,000 changed graphs or hundreds of flipped bits, are run by

```bash
scripts/with_venv python scripts/nightly.py
```

which writes this page from its figures ([reliability.jsonl](reliability.jsonl): outcome,
figures, duration, date, commit and processor of each test). A count is the sum over a test's
cases. What says "not measured" has not run to its end since the test was written.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    choices = [*map(str, CHECKS), OTHERS]
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"1 to 22, or {OTHERS}")
    parser.add_argument("--page", action="store_true", help="run nothing")
    options = parser.parse_args()
    if wrong := sorted(set(options.checks) - set(choices)):
        parser.error(f"unknown checks {wrong}; expected 1 to 22, or {OTHERS}")
    failed = 0 if options.page else run(options.checks or choices)
    write_text(PAGE, page())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
