"""Data path (paper Sections II-D and III): annotation text and videos -> frames -> batches.

Importing this package loads neither TensorFlow nor a video library.
"""

from __future__ import annotations

from kaffect.data.annotations.files import Annotation, read_annotations, write_annotations
from kaffect.data.annotations.lists import (
    AnnotationList,
    read_annotation_list,
    write_annotation_list,
)
from kaffect.data.annotations.submissions import Submission, read_submission, write_submission

__all__ = [
    "Annotation",
    "AnnotationList",
    "Submission",
    "read_annotation_list",
    "read_annotations",
    "read_submission",
    "write_annotation_list",
    "write_annotations",
    "write_submission",
]
