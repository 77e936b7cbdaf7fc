"""A stand-in for a frame index in tests that need its columns and no files."""

from __future__ import annotations

from types import SimpleNamespace

from kaffect.data.annotations.columns import LabelColumns


class Columns(SimpleNamespace):
    """Any columns as attributes, with the methods of `LabelColumns`."""

    values, valid, labelled = LabelColumns.values, LabelColumns.valid, LabelColumns.labelled
