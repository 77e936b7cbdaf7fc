"""`kaffect generate`: faces from a trained GAN, selected if asked (paper Section V-A.2)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError


def register(commands: Any) -> None:
    """Add the command to the command line."""
    p = commands.add_parser(
        "generate",
        help="faces from a trained GAN",
        description="Draw faces from a trained GAN: any, or those nearest to a wished valence, "
        "arousal or set of Action Units, as the GAN's own discriminator judges them.",
    )
    p.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="DIR",
        help="a run: RESULTS/checkpoints/configuration-N-row-NN-seed-N",
    )
    p.add_argument("--count", type=int, default=64, metavar="N", help="faces (default 64)")
    p.add_argument("--grid", type=Path, metavar="FILE", help="write all faces as one PNG")
    p.add_argument("--csv", type=Path, metavar="FILE", help="write what is judged of each face")
    p.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="write each face as a picture, and faces.csv with the discriminator's labels, which "
        "--data takes",
    )
    p.add_argument(
        "--beside",
        type=Path,
        metavar="LIST.csv",
        help="with --out: copy these real pictures there and list them too, in their splits",
    )
    p.add_argument(
        "--confidence",
        type=float,
        default=0.0,
        metavar="C",
        help="with --out: leave out faces of whose units the discriminator is less sure (0.5 to 1)",
    )
    p.add_argument("--seed", type=int, default=0, help="the same seed gives the same faces")
    p.add_argument("--valence", type=float, metavar="V", help="wished valence, -1 to 1")
    p.add_argument("--arousal", type=float, metavar="A", help="wished arousal, -1 to 1")
    p.add_argument(
        "--action-units",
        metavar="NAMES",
        help="wished units, as AU6,AU12: these active, the others not ('none': none active)",
    )
    p.add_argument(
        "--candidates",
        type=int,
        metavar="N",
        help="pick the wished faces out of so many (default 32 for each face, at least 1024)",
    )
    p.add_argument("--which", choices=("last", "best"), default="last", help="checkpoint")
    p.add_argument(
        "--weights",
        choices=("average", "trained"),
        default="average",
        help="the generator's moving average, or its last weights",
    )
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """`kaffect generate`."""
    if options.grid is None and options.csv is None and options.out is None:
        raise ConfigError(
            "kaffect generate: name what to write: --grid FILE.png, --csv FILE.csv, --out FOLDER"
        )
    if options.candidates is not None and options.candidates < 1:
        raise ConfigError(f"--candidates: expected 1 or more. Received: {options.candidates}")
    if options.beside is not None and options.out is None:
        raise ConfigError("--beside: expected --out FOLDER, where the list of both is written")
    from kaffect.data.prepared.stills import read_stills
    from kaffect.files import write_text
    from kaffect.studies.gan.face_list import LIST, write_faces
    from kaffect.studies.gan.generation import Wish, generate_faces

    real = read_stills(options.beside) if options.beside is not None else None
    wish = Wish(options.valence, options.arousal, unit_names(options.action_units))
    faces = generate_faces(
        options.model,
        options.count,
        seed=options.seed,
        wish=wish,
        candidates=options.candidates,
        grid=options.grid,
        average=options.weights == "average",
        which=options.which,
    )
    if options.grid is not None:
        size = faces.images.shape[1]
        print(f"faces: {options.grid} ({len(faces.images)} of {size}x{size} pixels)")
    if options.out is not None:
        kept = write_faces(options.out, faces, options.seed, options.confidence, real)
        print(f"faces: {options.out / LIST} ({kept} of {len(faces.images)})")
    if options.csv is not None:
        write_text(options.csv, judged_csv(faces.judged))
        print(f"judged: {options.csv}")
    for line in means(faces.judged):
        print(line)


def unit_names(text: str | None) -> tuple[str, ...] | None:
    """'AU6, au12' -> ('AU6', 'AU12'); 'none' -> (); None -> None."""
    if text is None:
        return None
    if text.strip().lower() == "none":
        return ()
    names = tuple(dict.fromkeys(part.strip().upper() for part in text.split(",")))
    if "" in names:
        raise ConfigError(f"--action-units: expected names like AU6,AU12. Received: {text!r}")
    return names


def judged_csv(judged: Sequence[Mapping[str, float]]) -> str:
    """One line for each face, in the order of the grid; the first line names the columns."""
    names = list(judged[0])
    lines = [",".join(["face", *names])]
    lines += [
        ",".join([str(number), *(f"{face[name]:.6f}" for name in names)])
        for number, face in enumerate(judged, start=1)
    ]
    return "\n".join(lines) + "\n"


def means(judged: Sequence[Mapping[str, float]]) -> list[str]:
    """The means of the discriminator's estimates for the faces."""
    shown = [f"{name} {sum(f[name] for f in judged) / len(judged):+.3f}" for name in judged[0]]
    return ["judged by the GAN's discriminator, mean: " + ", ".join(shown)]
