"""A server that speaks TF Serving's protocols, for whoever cannot or will not run TF Serving.

Serves the engineer: the same exported folder, the same REST and gRPC client code,
on one machine and without another binary. Importing this package loads nothing heavy.
"""
