"""`kaffect serve`: exported models over TF Serving's REST and gRPC, and a page to try them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.loopback import HostCheck

if TYPE_CHECKING:
    from kaffect.serving.server.limits import Limits
    from kaffect.serving.server.versions import Versions


def register(commands: Any) -> None:
    """Add the command to the command line."""
    serve = commands.add_parser(
        "serve",
        help="serve exported models over TF Serving's REST and gRPC",
        description="Serve exported models (NAME/VERSION/ folders) over TF Serving's REST and "
        "gRPC protocols. There is no password: it listens on this machine only, unless --host "
        "says otherwise.",
    )
    serve.add_argument(
        "--model", action="append", default=[], metavar="NAME=DIR",
        help="a model: DIR has its versions (DIR/1, DIR/2, ...); may be repeated",
    )  # fmt: skip
    serve.add_argument(
        "--models", type=Path, metavar="ROOT", help="every model below ROOT (ROOT/NAME/VERSION)"
    )
    serve.add_argument("--newest-only", action="store_true", help="load no older version")
    serve.add_argument(
        "--sha256", action="append", default=[], metavar="HASH",
        help="serve only exports whose manifest has this SHA-256, as 'kaffect export' prints it; "
        "may be repeated",
    )  # fmt: skip
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    serve.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME",
        help="a host name by which clients may ask, beside localhost and, where --host opens the "
        "server to others, addresses; '*' for all; may be repeated",
    )  # fmt: skip
    serve.add_argument("--rest-port", type=int, default=8501, help="default: %(default)s")
    serve.add_argument("--grpc-port", type=int, default=8500, help="default: %(default)s")
    serve.add_argument(
        "--limit", action="append", default=[], metavar="NAME=NUMBER",
        help="change a limit (body_bytes, batch, time, image_pixels, concurrent, deadline, "
        "threads, ...); may be repeated",
    )  # fmt: skip
    serve.add_argument(
        "--poll", type=float, default=10.0, metavar="SECONDS",
        help="how often to look for new and removed versions; 0 for never; default: %(default)s",
    )  # fmt: skip
    serve.add_argument(
        "--access-log", action="store_true",
        help="write a line of JSON for each request to the standard error; never what was sent",
    )  # fmt: skip
    serve.add_argument(
        "--demo", nargs="?", const="", metavar="NAME",
        help="also offer a web page to try a model with camera or file (default: the first that "
        "reads faces, or the project's own where no model is named)",
    )  # fmt: skip
    serve.add_argument(
        "--detector",
        help="face detector of the page; default: the model's own, or haar where it states none",
    )  # fmt: skip
    serve.add_argument("--detector-model", type=Path, metavar="FILE", help="for mediapipe")
    serve.add_argument(
        "--smooth", type=float, default=0.0, metavar="S",
        help="less flicker on the page: a mean over the last moments, of time constant S seconds",
    )  # fmt: skip
    serve.set_defaults(run=serve_models)


def serve_models(options: argparse.Namespace) -> int:
    """`kaffect serve`."""
    limits = parse_limits(options.limit)
    _require_packages()
    import asyncio

    from kaffect.serving.server import folders, garbage
    from kaffect.serving.server.access import AccessLog
    from kaffect.serving.server.engine import Engine
    from kaffect.serving.server.running import Address, RunningServer, serve_until_signal
    from kaffect.serving.server.servable import Models
    from kaffect.serving.server.versions import watch

    if not options.poll >= 0:
        raise ConfigError(expected_received("--poll", "seconds from 0 on", options.poll))
    named = [folders.parse_model(text) for text in options.model]
    if options.models is not None:
        named += folders.models_below(options.models, _report)
    if not named and options.demo is not None:
        from kaffect.serving.own_model import NAME, announced_own_model

        named = [(NAME, announced_own_model())]
    if not named:
        raise ConfigError(
            "No model to serve. Expected --model NAME=DIR or --models ROOT, with folders "
            "written by 'kaffect export', or --demo for the project's own"
        )
    versions = _load(named, options)
    models = Models(servable for model in versions for servable in model.servables)
    for model in versions:
        models.replace(model.name, model.servables)
    server = RunningServer(
        Engine(models, limits),
        Address(options.host, options.rest_port, options.grpc_port),
        hosts=HostCheck(options.host, options.allowed_host),
        access_log=AccessLog() if options.access_log else None,
        background=(
            watch(models, versions, options.poll, garbage.set_apart) if options.poll else None
        ),
    )
    if options.demo is not None:
        _add_demo(server, models, options)
    if options.host not in ("127.0.0.1", "localhost", "::1"):
        print(f"note: {options.host} is reachable by others, and there is no password", flush=True)
    asyncio.run(serve_until_signal(server, _announcement(options)))
    return 0


def _load(named: list[tuple[str, Path]], options: argparse.Namespace) -> list[Versions]:
    """The versions of every model; one that has none yet does not stop the others."""
    from kaffect.serving.server import folders

    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--model {name}: two folders for one model")
    lines: list[str] = []
    versions = []
    for name, path in named:
        model = folders.versions(name, path, options.newest_only, options.sha256, lines.append)
        versions.append(model)
        if model.servables:
            print(f"loaded {name}: {path}", flush=True)
    if not any(model.servables for model in versions):
        raise ArtifactError(lines[0])
    for line in lines:
        _report(line)
    for model in versions:
        model.report = _report
    return versions


def _report(line: str) -> None:
    print(f"not served: {line}", file=sys.stderr, flush=True)


def _add_demo(server: Any, models: Any, options: argparse.Namespace) -> None:
    from kaffect.faces import other_detector
    from kaffect.serving.demo.sessions import Sessions
    from kaffect.serving.demo.site import DemoSite
    from kaffect.serving.demo.tracked import demo_model
    from kaffect.serving.own_detector import detector_of
    from kaffect.serving.server.rest import RestApi

    reading = [n for n in models.names if models.get(n).keep.kind in ("sequences", "frames")]
    name = options.demo or (reading[0] if reading else "")
    if name not in reading:
        raise ConfigError(expected_received("--demo: a model that reads faces", reading, name))
    servable = models.get(name)
    model = demo_model(
        servable.keep,
        name,
        servable.version,
        options.detector,
        options.detector_model,
        options.smooth,
    )
    facts = servable.keep.facts
    finder = detector_of(facts, options.detector, options.detector_model)
    if note := other_detector(facts.detector, finder.describe()):
        print(f"note: {note}", flush=True)
    sessions = Sessions(model, metrics=server.engine.metrics)
    server.handler = DemoSite(RestApi(server.engine), sessions, model)
    server.before_close = sessions.close


def _announcement(options: argparse.Namespace) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    page = f"page to try it: http://{host}:{{rest}}/demo\n" if options.demo is not None else ""
    return (
        f"{page}serving: REST http://{host}:{{rest}}/v1/models, gRPC {host}:{{grpc}}; "
        "Ctrl-C ends it"
    )


def parse_limits(settings: list[str]) -> Limits:
    """`NAME=NUMBER` settings over the default limits.

    Raises:
        ConfigError: no such limit, or no number.
    """
    from kaffect.serving.server.limits import Limits

    limits = Limits()
    kinds = {field.name: type(getattr(limits, field.name)) for field in fields(limits)}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in kinds:
            raise ConfigError(expected_received("--limit: unknown limit", set(kinds), name))
        try:
            limits = replace(limits, **{name: kinds[name](value)})
        except ValueError as error:
            raise ConfigError(
                expected_received(f"--limit {name}", f"a number ({kinds[name].__name__})", value)
            ) from error
    return limits


def _require_packages() -> None:
    try:
        import aiohttp  # noqa: F401
        import grpc  # noqa: F401
        import orjson  # noqa: F401
        import prometheus_client  # noqa: F401
        import tensorflow_serving  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"'kaffect serve' needs the package {error.name}. "
            "Install them with: pip install 'kaffect[serve]'"
        ) from error
