"""Tools that check, split, merge, count and show data trees (paper Sections II and III)."""
