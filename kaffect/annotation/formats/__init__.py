"""Labels to and from other tools: ELAN, Label Studio, annotation trees, prediction tables."""
