"""The studies by name: whose settings, profiles and flags a table has, and what runs it."""

from __future__ import annotations

from kaffect.studies import framewise, gan, options, recognition
from kaffect.studies.experiment import Study, TrainedStudy

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        recognition.STUDY,
        gan.STUDY,
        framewise.STUDY,
        Study("data", "kaffect.studies.data_tables:run_table", options.COUNTS),
        Study("layers", "kaffect.studies.layers:print_layers", ("kernel",)),
    )
}
TRAINED: dict[str, TrainedStudy] = {
    name: study for name, study in STUDIES.items() if isinstance(study, TrainedStudy)
}
