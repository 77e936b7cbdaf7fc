"""A page to try a model in the browser: camera or file in, boxes and valence-arousal plane out."""
