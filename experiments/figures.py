"""Figures of the paper drawn from what is built: `--figure 5` (Section IV-B)."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from experiments.profiles import PROFILES
from kaffect.config import RunConfig, TrainConfig


def figure_5(options: argparse.Namespace) -> None:
    """Draw the VGGFACE-GRU-attention network of a profile (by default the paper's) as PNG."""
    profile = PROFILES[options.profile or "paper"]
    model = dataclasses.replace(profile.model, implementation=options.implementation)
    config = RunConfig(model=model, train=TrainConfig(cnn="end_to_end"))
    path = (options.out or Path("runs")) / "figure_5.png"
    if options.dry_run:
        print(f"would draw the network of profile {profile.name} into {path}")
        return
    from kaffect.labels import AFF_WILD
    from kaffect.models import diagram
    from kaffect.training.networks import build_network

    network = build_network(config, AFF_WILD)
    diagram.draw(network, path)
    print(f"figure 5: {path} ({network.count_params():,} parameters)")
