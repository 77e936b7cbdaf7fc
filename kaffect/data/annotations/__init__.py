"""Annotation text of all releases: read, checked and written (paper Section III-C)."""
