"""kaffect: valence/arousal, Action Units and basic expressions from faces in video (arXiv 1811.07771)."""

__version__ = "0.1.0"
