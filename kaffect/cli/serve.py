"""`kaffect serve`: exported models over TF Serving's REST and gRPC, and a page to try them."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaffect.errors import ConfigError, expected_received

if TYPE_CHECKING:
    from kaffect.serving.server.limits import Limits


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
    serve.add_argument("--rest-port", type=int, default=8501, help="default: %(default)s")
    serve.add_argument("--grpc-port", type=int, default=8500, help="default: %(default)s")
    serve.add_argument(
        "--limit", action="append", default=[], metavar="NAME=NUMBER",
        help="change a limit (body_bytes, batch, time, image_pixels, concurrent, deadline, "
        "threads, ...); may be repeated",
    )  # fmt: skip
    serve.add_argument(
        "--demo", nargs="?", const="", metavar="NAME",
        help="also offer a web page to try a model with camera or file (default: the first that "
        "reads faces)",
    )  # fmt: skip
    serve.add_argument(
        "--detector", default="haar", help="face detector of the page; default: %(default)s"
    )
    serve.set_defaults(run=serve_models)


def serve_models(options: argparse.Namespace) -> int:
    """`kaffect serve`."""
    limits = parse_limits(options.limit)
    _require_packages()
    import asyncio

    from kaffect.serving.server import folders
    from kaffect.serving.server.engine import Engine
    from kaffect.serving.server.running import Address, RunningServer, serve_until_signal
    from kaffect.serving.server.servable import Models

    named = [folders.parse_model(text) for text in options.model]
    if options.models is not None:
        named += folders.models_below(options.models)
    if not named:
        raise ConfigError(
            "No model to serve. Expected --model NAME=DIR or --models ROOT, with folders "
            "written by 'kaffect export'"
        )
    servables = []
    for name, path in named:
        servables += folders.load(name, path, options.newest_only, options.sha256)
        print(f"loaded {name}: {path}", flush=True)
    address = Address(options.host, options.rest_port, options.grpc_port)
    models = Models(servables)
    server = RunningServer(Engine(models, limits), address)
    if options.demo is not None:
        _add_demo(server, models, options)
    if options.host not in ("127.0.0.1", "localhost", "::1"):
        print(f"note: {options.host} is reachable by others, and there is no password", flush=True)
    asyncio.run(serve_until_signal(server, _announcement(options)))
    return 0


def _add_demo(server: Any, models: Any, options: argparse.Namespace) -> None:
    from kaffect.serving.demo.sessions import Sessions
    from kaffect.serving.demo.site import DemoSite
    from kaffect.serving.demo.tracked import demo_model
    from kaffect.serving.server.rest import RestApi

    reading = [n for n in models.names if models.get(n).keep.kind in ("sequences", "frames")]
    name = options.demo or (reading[0] if reading else "")
    if name not in reading:
        raise ConfigError(expected_received("--demo: a model that reads faces", reading, name))
    servable = models.get(name)
    model = demo_model(servable.keep, name, servable.version, options.detector)
    sessions = Sessions(model, metrics=server.engine.metrics)
    server.handler = DemoSite(RestApi(server.engine), sessions, model, options.host)
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
