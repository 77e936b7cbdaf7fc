"""The annotation tool (paper Section III-B to III-D): `kaffect annotate`.

The log of each annotator is the truth; labels, trees and figures are made from it.
Importing this package loads no TensorFlow.
"""
