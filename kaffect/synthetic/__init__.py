"""Synthetic Aff-Wild: rendered faces with known labels in a user's layout (paper Section II).

Write a tree with `write_tree(root, SyntheticConfig())`, or take labels with
`simulate_tracks` and frames with `render_frames`. Nothing here imports TensorFlow.
"""

from kaffect.synthetic.config import PROFILES, SyntheticConfig
from kaffect.synthetic.plan import TrackPlan, VideoPlan, make_plan
from kaffect.synthetic.render import (
    Track,
    landmarks,
    render_frames,
    render_video,
    simulate_tracks,
    simulate_video,
)
from kaffect.synthetic.tree import is_synthetic, write_tree

__all__ = [
    "PROFILES",
    "SyntheticConfig",
    "Track",
    "TrackPlan",
    "VideoPlan",
    "is_synthetic",
    "landmarks",
    "make_plan",
    "render_frames",
    "render_video",
    "simulate_tracks",
    "simulate_video",
    "write_tree",
]
