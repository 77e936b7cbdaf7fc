"""Prepared data: face crops with labels in TFRecord shards, of videos and stills (Section III)."""
