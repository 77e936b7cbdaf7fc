"""Figure 5 of the paper, drawn from the built network (Section IV-B)."""

from __future__ import annotations

import argparse
from pathlib import Path

from kaffect.labels import AFF_WILD
from kaffect.models import diagram
from kaffect.studies.experiment import Figure
from kaffect.studies.recognition import STUDY
from kaffect.training.networks import build_network


def figure_5(figure: Figure, options: argparse.Namespace) -> None:
    """Draw the VGGFACE-GRU-attention network of a profile (by default the paper's) as PNG."""
    profile = STUDY.profiles[options.profile or "paper"]
    changes = {"model.implementation": options.implementation, "train.cnn": "end_to_end"}
    config = STUDY.config().changed({**profile.changes, **changes})
    path = (options.out or Path("runs")) / "figure_5.png"
    if options.dry_run:
        print(f"would draw the network of profile {profile.name} into {path}")
        return
    network = build_network(config, AFF_WILD)  # type: ignore[arg-type]
    diagram.draw(network, path)
    print(f"figure 5: {path} ({network.count_params():,} parameters)")
