"""kaffect: affect from faces in video, and generated faces (arXiv 1811.07771)."""

__version__ = "0.1.0"
