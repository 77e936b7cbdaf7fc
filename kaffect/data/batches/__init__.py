"""Prepared data as batches of sequences or of single frames (paper Section IV-C.2)."""
