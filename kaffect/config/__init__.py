"""Every setting of the three studies as frozen data; the defaults are those of the publications."""

from __future__ import annotations

from kaffect.config.base import Settings, from_dict, parse_setting
from kaffect.config.choices import EXPORT_PRECISIONS, PRECISIONS, automatic_precision
from kaffect.config.framewise import FramewiseConfig
from kaffect.config.gan import GanConfig
from kaffect.config.recognition import RecognitionConfig

# Of each study, by its name.
CONFIGURATIONS: dict[str, type[Settings]] = {
    "recognition": RecognitionConfig,
    "gan": GanConfig,
    "framewise": FramewiseConfig,
}

__all__ = [
    "CONFIGURATIONS",
    "EXPORT_PRECISIONS",
    "PRECISIONS",
    "FramewiseConfig",
    "GanConfig",
    "RecognitionConfig",
    "Settings",
    "automatic_precision",
    "from_dict",
    "parse_setting",
]
