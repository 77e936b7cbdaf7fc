"""`kaffect annotate`: the annotation tool (paper Section III-B to III-D) in the browser."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaffect.errors import ConfigError
from kaffect.labels import LABEL_SPACES, TASKS

if TYPE_CHECKING:
    from kaffect.annotation.project import Project
    from kaffect.annotation.server import AnnotationSite, Site

    Background = Callable[[], Coroutine[Any, Any, None]]


def register(commands: Any) -> None:
    """Add the command to the command line."""
    annotate = commands.add_parser(
        "annotate",
        help="annotate videos in the browser: valence/arousal, Action Units, expressions",
        description="Start a local server with a page on which one person annotates videos. All "
        "that they do is appended to their log in the project folder at once; label files are "
        "made from the logs with --export.",
    )
    annotate.add_argument(
        "videos", type=Path, nargs="?", metavar="VIDEOS",
        help="folder of videos, or one video; may be left out for a project that exists",
    )  # fmt: skip
    annotate.add_argument("--annotator", metavar="NAME", help="who annotates")
    annotate.add_argument(
        "--project", type=Path, metavar="FOLDER",
        help="where copies and logs are kept (default: VIDEOS-annotation beside VIDEOS)",
    )  # fmt: skip
    annotate.add_argument(
        "--tasks", default=",".join(TASKS), help="of va, expression, au; default: all"
    )
    annotate.add_argument(
        "--label-space", choices=tuple(LABEL_SPACES), help="of a new project; default: aff-wild"
    )
    annotate.add_argument(
        "--import", dest="imported", type=Path, action="append", default=[], metavar="FILE",
        help="first take labels into the annotator's log: a data tree, VIDEO.eaf (ELAN) or "
        ".json (Label Studio); VIDEO.csv of `kaffect predict` becomes a proposal; may be repeated",
    )  # fmt: skip
    annotate.add_argument(
        "--propose", type=Path, nargs="?", const=Path(), metavar="DIR",
        help="first let a network read the videos, and show what it says as a proposal beside "
        "the labels: an export (saved_models/NAME); default: the project's own network",
    )  # fmt: skip
    annotate.add_argument(
        "--no-proposals", action="store_true",
        help="no first proposals; otherwise the project's own network reads the videos in the "
        "background while the page is open",
    )  # fmt: skip
    annotate.add_argument(
        "--export", type=Path, metavar="OUT",
        help="write labels into the new folder OUT instead of starting a page: those of "
        "everybody, and as annotations/ those of --annotator",
    )  # fmt: skip
    annotate.add_argument(
        "--format", choices=("tree", "elan", "label-studio"), default="tree",
        help="of --export; default: %(default)s",
    )  # fmt: skip
    annotate.add_argument(
        "--pass", dest="number", type=int, choices=(1, 2), help="of --export; default: the last"
    )
    annotate.add_argument(
        "--source-frames", action="store_true",
        help="--export: a line for each frame of the source instead of the copy at 30 a second",
    )  # fmt: skip
    annotate.add_argument(
        "--review", action="store_true",
        help="a page for the supervisor: agreement, frames to look at again, final selection; "
        "with --export OUT write the selection into OUT and start no page",
    )  # fmt: skip
    annotate.add_argument("--demo", action="store_true", help="open a ready project of drawn faces")
    annotate.add_argument("--port", type=int, default=0, help="default: a free one")
    annotate.add_argument("--no-browser", action="store_true", help="open no browser")
    annotate.set_defaults(run=annotate_videos)


def annotate_videos(options: argparse.Namespace) -> int:
    """`kaffect annotate`."""
    _require_packages()
    from kaffect.annotation.project import annotator_name, parse_tasks

    if not 0 <= options.port <= 65535:
        raise ConfigError(f"--port: expected 0 to 65535. Received: {options.port}")
    tasks = parse_tasks(options.tasks)
    if options.demo:
        options.annotator = options.annotator or "visitor"
    if options.annotator is not None:
        annotator_name(options.annotator)
    elif options.export is None and not options.review:
        raise ConfigError("--annotator NAME is needed: each person has a log of their own")
    project = _open_project(options)
    if options.review:
        _review(project, options)
        return 0
    if options.export is not None:
        _export(project, options)
        return 0
    with contextlib.ExitStack() as files:
        imported = list(options.imported)
        if options.propose is not None:
            folder = Path(files.enter_context(tempfile.TemporaryDirectory()))
            imported += _proposals(project, options.propose, folder)
        site = files.enter_context(_annotation_site(project, options.annotator, tasks, imported))
        wanted = options.propose is None and not options.no_proposals and not options.demo
        _serve(site, options, _proposing(site) if wanted else None)
    return 0


def _proposals(project: Project, model: Path, folder: Path) -> list[Path]:
    """What a network says of each video with a face, as tables of `kaffect predict` in `folder`."""
    from kaffect.serving.own_model import announced_own_model
    from kaffect.serving.predict.run import PredictOptions, predict
    from kaffect.serving.predict.sources import find_sources
    from kaffect.serving.predictor import Predictor

    chosen = announced_own_model() if model == Path() else model
    predictor = Predictor.from_saved_model(chosen)
    tables = []
    for name in project.videos:
        (source,) = find_sources(str(project.sources[name]))
        result = predict(source, predictor, PredictOptions(folder / name, summary=False))
        if not result.people:
            print(f"no proposal for {name}: no face was found", flush=True)
            continue
        table = folder / f"{name}.csv"
        result.files[0].rename(table)
        tables.append(table)
    return tables


def _review(project: Project, options: argparse.Namespace) -> None:
    from kaffect.annotation.review import Review
    from kaffect.annotation.review_site import ReviewSite

    review = Review(project)
    if options.export is None:
        _serve(ReviewSite(review), options)
        return
    if options.export.exists():
        raise ConfigError(f"{options.export}: exists already; name a folder that does not")
    review.select(options.export)
    print(f"selection: {options.export}")


def _export(project: Project, options: argparse.Namespace) -> None:
    from kaffect.annotation.exchange import export_files
    from kaffect.annotation.export import ExportSettings, export_tree

    settings = ExportSettings(options.annotator, options.number, options.source_frames)
    if options.format == "tree":
        for note in export_tree(options.export, project, settings):
            print(f"note: {note}")
    elif options.source_frames:
        raise ConfigError("--source-frames: expected --format tree")
    else:
        export_files(options.export, project, settings, options.format)
    print(f"labels: {options.export}")


def _open_project(options: argparse.Namespace) -> Project:
    from kaffect.annotation.copies import make_copies
    from kaffect.annotation.demo import demo_project
    from kaffect.annotation.project import open_project

    videos, root = options.videos, options.project
    if options.demo:
        if videos is not None or root is not None:
            raise ConfigError("--demo brings its own videos: name neither VIDEOS nor --project")
        return demo_project(lambda text: print(text, flush=True))
    if root is None:
        if videos is None:
            raise ConfigError("name a folder of VIDEOS, or a --project that exists")
        root = videos.resolve().with_name(f"{videos.resolve().stem}-annotation")
    project = open_project(root, videos, options.label_space)
    make_copies(project, lambda text: print(text, flush=True))
    return project


@contextlib.contextmanager
def _annotation_site(
    project: Project, annotator: str, tasks: tuple[str, ...], imported: list[Path]
) -> Iterator[AnnotationSite]:
    from kaffect.annotation.exchange import import_into
    from kaffect.annotation.log import open_log
    from kaffect.annotation.server import AnnotationSite
    from kaffect.annotation.session import Session

    with open_log(project.folder_of(annotator), project.id, annotator) as log:
        for text in log.text.damaged:
            print(f"note: {text}", flush=True)
        session = Session(project, log, annotator, tasks)
        for path in imported:
            videos = import_into(log, project, session.labels, path)
            print(f"imported {path}: labels of {videos} videos", flush=True)
        yield AnnotationSite(session)


def _proposing(site: AnnotationSite) -> Background | None:
    """What makes the missing proposals, after one line for the user; None where none is missing."""
    from kaffect.annotation.proposals import NOTE, propose, without_proposal

    if not without_proposal(site):
        return None
    print(NOTE, flush=True)
    return lambda: propose(site, lambda line: print(line, flush=True))


def _serve(site: Site, options: argparse.Namespace, background: Background | None = None) -> None:
    import asyncio

    from kaffect.annotation.server import Listening

    server = Listening(site, options.port)
    asyncio.run(_until_signal(server, not options.no_browser, background))


async def _until_signal(server: Any, browser: bool, background: Background | None) -> None:
    """Listen, print the address on a line of its own, and run until SIGTERM or Ctrl-C.

    Args:
        background: what to do beside it; cancelled at the end.
    """
    import asyncio
    import signal
    import webbrowser

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await server.start()
    print("annotation page (Ctrl-C ends it):", flush=True)
    print(server.address, flush=True)
    if browser:
        await asyncio.to_thread(webbrowser.open, server.address)
    beside = None if background is None else asyncio.ensure_future(background())
    await stopped.wait()
    if beside is not None:
        beside.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beside
    await server.stop()


def _require_packages() -> None:
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"'kaffect annotate' needs the package {error.name}. "
            "Install it with: pip install 'kaffect[annotate]'"
        ) from error
