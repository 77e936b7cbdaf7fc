"""The project's own network: trained on rendered faces alone, and free to pass on.

`python scripts/train_own_model` makes it; docs/own_model.md tells how it was found and measured.
"""
