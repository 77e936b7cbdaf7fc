"""A data tree checked, split, merged, counted and looked at (paper Sections II and III)."""
