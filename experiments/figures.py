"""Figures of the paper drawn from what is built: `--figure 5` (Section IV-B)."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from experiments.profiles import PROFILES
from kaffect.config import RunConfig


def figure_5(options: argparse.Namespace) -> None:
    """Draw the VGGFACE-GRU-attention network of a profile (by default the paper's) as PNG."""
    profile = PROFILES[options.profile or "paper"]
    model = dataclasses.replace(profile.model, implementation=options.implementation)
    config = RunConfig(model=model)
    path = (options.out or Path("runs")) / "figure_5.png"
    if options.dry_run:
        print(f"would draw the network of profile {profile.name} into {path}")
        return
    from kaffect.models import diagram, vggface_gru_attention

    network = vggface_gru_attention(
        config.data.sequence_length,
        image_size=config.data.image_size,
        width=model.width,
        fc_units=model.fc_units,
        dropout=model.dropout,
        gru_units=model.gru_units,
        attention_length=model.attention_length,
        implementation=model.implementation,
        seed=0,
    )
    diagram.draw(network, path)
    print(f"figure 5: {path} ({network.count_params():,} parameters)")
