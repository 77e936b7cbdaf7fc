"""`--report`: one HTML page and Markdown over the results of several folders (Section V).

The page needs no other file and no network. It shows each table with its intervals, pictures of
the best row, and for each figure the frames that trained, chose and scored it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError, KaffectError
from kaffect.files import read_json, safe_join, write_text
from kaffect.pages import render
from kaffect.studies.collected import Record, Results, collect
from kaffect.studies.experiment import loaded
from kaffect.studies.options import require_report
from kaffect.studies.pictures_of_runs import generated_faces, picture_of_run
from kaffect.studies.plan import Plan
from kaffect.studies.reference import FOLDER
from kaffect.studies.registry import TRAINED
from kaffect.studies.report import Summary, drawings, render_markdown
from kaffect.studies.report.html import view_of
from kaffect.studies.report.markdown import escape
from kaffect.studies.reporting import summary_of
from kaffect.studies.results import is_row
from kaffect.studies.stored_sums import ORIGIN, StoredSums

PAGE, TEXT = "report.html", "report.md"
# Of each study: its errata and decisions, below `experiments/reference`.
_DOCUMENTS = {
    "recognition": ("ERRATA.md", "DECISIONS.md"),
    "gan": ("ERRATA.md", "DECISIONS.md"),
    "framewise": ("ERRATA_AFFWILD2.md", "DECISIONS_AFFWILD2.md"),
}
NOT_RECORDED = "not recorded"
_USES = ("trained on", "chosen on", "scored on")


@dataclass(frozen=True)
class TextTable:
    """Heads and rows of text."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Drawing:
    """A picture; `splits` says which frames trained, chose and scored it."""

    caption: str
    png: bytes
    splits: str = ""


@dataclass(frozen=True)
class Section:
    """One variant of one table."""

    anchor: str
    summary: Summary
    splits: TextTable
    drawings: Sequence[Drawing] = ()
    missing: Sequence[str] = ()

    @property
    def view(self) -> dict[str, Any]:
        """What the template of its table shows."""
        return view_of(self.summary)


@dataclass(frozen=True)
class Card:
    """What the page says of one set of data."""

    name: str
    synthetic: bool
    says: str
    table: TextTable
    drawings: Sequence[Drawing] = field(default=())


def report_results(options: argparse.Namespace) -> None:
    """Write the page of the folders that the command line names, or of all in `runs/`.

    Raises:
        ConfigError: a flag of training, a folder without results, or results that cannot stand
            in one column; nothing is written.
    """
    require_report(options)
    folders = list(options.report) or sorted(path for path in Path("runs").glob("*"))
    if not folders:
        raise ConfigError("--report: name folders of results; there is none in runs/")
    results = collect(folders, options.table)
    out = options.out or (folders[0] if len(folders) == 1 else _new_folder())
    page, text = page_of(results, options.criteria)
    write_text(out / TEXT, text)
    write_text(out / PAGE, page)
    print(f"report: {out / PAGE} and {TEXT}")


def _new_folder() -> Path:
    numbers = [int(path.name[-3:]) for path in Path("runs").glob("report-[0-9][0-9][0-9]")]
    return Path("runs") / f"report-{max(numbers, default=0) + 1:03d}"


def page_of(results: Sequence[Results], criteria: str = "official") -> tuple[str, str]:
    """The page as HTML and as Markdown."""
    sections = [section for found in results for section in _sections(found, criteria)]
    records = [record for found in results for record in found.records]
    facts = {name: each for found in results for name, each in found.facts.items()}
    synthetic = any(section.summary.synthetic for section in sections)
    title = "Results: " + ", ".join(f"Table {found.table.name}" for found in results)
    machines, total = _machines(records), _total(records)
    page = render(
        "results",
        title=title,
        synthetic=synthetic,
        total=total,
        sections=sections,
        cards=[_card(each) for each in facts.values()],
        machines=machines,
        documents=_documents({TRAINED[found.table.study].name for found in results}),
        **{k: sections[0].view[k] for k in ("printed", "not_run", "not_trained")},
    )
    return page, _markdown(title, total, sections, machines)


def _sections(results: Results, criteria: str) -> Iterator[Section]:
    study = TRAINED[results.table.study]
    for variant in results.variants:
        records = results.of(variant)
        profile = next(record["profile"] for record in records if is_row(record))
        plan = Plan(results.table, study.profiles[profile], None, (), criteria=criteria)
        stored = StoredSums()
        summary = summary_of(plan, loaded(study.adapter), variant, records, stored=stored)
        drawn, missing = _drawings(summary, records, results.facts)
        anchor = re.sub("[^a-z0-9]+", "-", f"table-{results.table.name}-{variant}".lower())
        splits = _splits_table(records, results.facts)
        yield Section(anchor.strip("-"), summary, splits, drawn, missing)


def _rows(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if is_row(record)]


def _splits_table(records: Sequence[Record], facts: dict[str, Any]) -> TextTable:
    """Of each set of data and scored split: what trained, chose and scored the rows."""
    heads = ("rows", "", "frames of", "hash", "frames", "videos", "people")
    groups: dict[tuple[str, str], list[int]] = {}
    for record in _rows(records):
        key = str(record.get("data_hash")), str(record.get("scored_split"))
        groups.setdefault(key, []).append(record["row"])
    lines = []
    for (data, scored), rows in groups.items():
        numbers = ", ".join(map(str, sorted(set(rows))))
        splits = facts[data]["splits"] if data in facts else {}
        for what, name in zip(_USES, ("train", "validation", scored)):
            own = splits.get(name)
            counts = [NOT_RECORDED] * 4
            if own is not None:
                people = len(own["people"]) or "not known"
                counts = [own["hash"], f"{own['frames']:,}", str(own["videos"]), str(people)]
            lines.append((numbers, what, name, *counts))
    return TextTable(heads, lines)


def _short(record: Record, facts: dict[str, Any]) -> str:
    """The three hashes, for the line below a picture."""
    known = facts.get(str(record.get("data_hash")))
    if known is None:
        return f"frames {NOT_RECORDED} (an earlier version)"
    names = ("train", "validation", str(record.get("scored_split")))
    hashes = [known["splits"].get(name, {}).get("hash", NOT_RECORDED) for name in names]
    says = zip(_USES, names, hashes)
    return "; ".join(f"{what} {name} {value}" for what, name, value in says)


def _drawings(
    summary: Summary, records: Sequence[Record], facts: dict[str, Any]
) -> tuple[list[Drawing], list[str]]:
    """Curves of all rows, and pictures of the best one with its first seed."""
    rows = _rows(records)
    marks = {line.row: cell.mark for line in summary.lines for cell in line.cells if cell.mark}
    chosen = sorted((r for r in rows if r["row"] in marks), key=lambda r: (r["row"], r["seed"]))
    record = (chosen or sorted(rows, key=lambda r: (r["row"], r["seed"])))[0]
    mark = f" ({marks[record['row']]})" if chosen else ""
    which = f"row {record['row']}{mark}, seed {record['seed']}"
    splits, missing, drawn = _short(record, facts), [], []
    lines = drawings.curves(rows)
    if lines is not None:
        drawn.append(Drawing("Learning curves, all rows and seeds", lines, splits))
    details = _details(record)
    if details is None:
        missing.append(f"No pictures of {which}: an earlier version made it and kept no details.")
        details = {}
    if "expression" in details:
        png = drawings.confusion(details["expression"])
        drawn.append(Drawing(f"Confusion of expressions, {which}", png, splits))
        png = drawings.class_scores(details["expression"])
        drawn.append(Drawing(f"Scores of each expression, {which}", png, splits))
    if "calibration" in details:
        own = details["calibration"]
        png = drawings.calibration(own)
        chosen_on = f"temperature {own['temperature']:.2f}, found on validation"
        drawn.append(Drawing(f"Calibration of expressions, {which} ({chosen_on})", png, splits))
    if "au" in details:
        png = drawings.unit_bars(details["au"])
        drawn.append(Drawing(f"Action Units, {which}", png, splits))
    if "va" in details:
        own = details["va"]
        png = drawings.density({"labels": own["labels"], "answers": own["answers"]})
        drawn.append(Drawing(f"Valence and arousal, {which}", png, splits))
        if own["videos"]:
            more = len(own["videos"]) - drawings.MOST_VIDEOS
            rest = f" (the first {drawings.MOST_VIDEOS}, without {more} more)" if more > 0 else ""
            png = drawings.videos(own["videos"])
            drawn.append(Drawing(f"CCC of each video, {which}{rest}", png, splits))
    attention, faces = picture_of_run(record), generated_faces(record)
    if attention is not None:
        caption = f"Attention, one validation sequence, {which}"
        drawn.append(Drawing(caption, attention, splits))
    if faces is not None:
        drawn.append(Drawing(f"Generated faces, {which}", faces, splits))
    return drawn, missing


def _details(record: Record) -> dict[str, Any] | None:
    if "details" not in record:
        return None
    path = safe_join(record[ORIGIN], str(record["details"]))
    found = read_json(path)
    if not isinstance(found, dict):
        raise KaffectError(f"{path}: not the details of a result")
    return found


def _card(facts: dict[str, Any]) -> Card:
    """Amounts of each split, and where its labels of valence and arousal lie."""
    splits = facts["splits"]
    lines = [
        (what, *(f"{len(own[key]) if key == 'people' else own[key]:,}" for own in splits.values()))
        for what, key in (
            ("frames", "frames"),
            ("annotated frames", "annotated"),
            ("videos", "videos"),
            ("people", "people"),
        )
    ]
    lines.append(("hash", *(own["hash"] for own in splits.values())))
    for kind in ("expressions", "units"):
        names = dict.fromkeys(name for own in splits.values() for name in own[kind])
        for name in names:
            counts = [own[kind].get(name, 0) for own in splits.values()]
            if any(counts):
                lines.append((name, *(f"{count:,}" for count in counts)))
    planes = {name: own["plane"] for name, own in splits.items() if sum(map(sum, own["plane"]))}
    drawn = [Drawing("Labels of valence and arousal", drawings.density(planes))] if planes else []
    synthetic = facts["kind"] == "synthetic"
    says = "Rendered faces; nobody in them exists. " * synthetic + f"Hash {facts['hash']}."
    return Card(facts["name"], synthetic, says, TextTable(("", *splits), lines), drawn)


def _machines(records: Sequence[Record]) -> TextTable:
    """On what the rows were trained, with the number of runs of each environment."""
    heads = ("processor", "precision", "threads", "versions", "commit", "runs")
    counts: dict[tuple[str, ...], int] = {}
    for record in _rows(records):
        own = record.get("environment") or {}
        versions = [f"{n} {own[n]}" for n in ("python", "tensorflow", "keras", "numpy") if n in own]
        key = (
            str(own.get("processor", NOT_RECORDED)),
            str(record.get("precision", NOT_RECORDED)),
            str(own.get("threads", NOT_RECORDED)),
            ", ".join(versions) or NOT_RECORDED,
            str(record.get("commit", NOT_RECORDED)),
        )
        counts[key] = counts.get(key, 0) + 1
    return TextTable(heads, [(*key, str(count)) for key, count in counts.items()])


def _total(records: Sequence[Record]) -> str:
    rows = _rows(records)
    seconds = sum(float(r.get(k) or 0) for r in rows for k in ("wall_time", "scoring_time"))
    folders = len({record[ORIGIN] for record in records})
    where = f"{folders} results folder{'s' * (folders > 1)}"
    return (
        f"{len(rows)} runs in {where}, {seconds / 60:.1f} minutes of training and scoring in all "
        "(without preparation of the data and what rows share)."
    )


@dataclass(frozen=True)
class Document:
    """A list of the publication's errata, or of what it leaves open."""

    title: str
    html: str


def _documents(studies: set[str]) -> list[Any]:
    """Errata and decisions of the studies as HTML; an installed package has none of them."""
    from markdown import markdown
    from markupsafe import Markup

    found = []
    for name in dict.fromkeys(n for study in sorted(studies) for n in _DOCUMENTS[study]):
        path = FOLDER / name
        if path.is_file():
            title, _, text = path.read_text(encoding="utf-8").partition("\n")
            html = markdown(text, extensions=["tables"])
            # Links of the checkout lead nowhere from the page.
            html = re.sub(r"<a href=[^>]*>(.*?)</a>", r"\1", html, flags=re.S)
            html = html.replace("<table>", '<div class="scroll"><table>')
            html = html.replace("</table>", "</table></div>")
            found.append(Document(title.lstrip("# "), Markup(html)))
    return found


def _markdown(title: str, total: str, sections: Sequence[Section], machines: TextTable) -> str:
    parts = [f"# {title}", total]
    for section in sections:
        parts.append(render_markdown(section.summary).strip())
        parts += ["### Which frames trained, chose and scored", _table(section.splits)]
    parts += ["## Environment", _table(machines), f"Pictures: {PAGE}."]
    return "\n\n".join(parts) + "\n"


def _table(table: TextTable) -> str:
    lines = [table.heads, ["---"] * len(table.heads)]
    lines += [[escape(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
