"""Settings of every row of every table in every profile: they change only on purpose.

`tests/golden/settings.json` was made by the code that trained the published demo figures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kaffect.studies.experiment import PROFILE_NAMES
from kaffect.studies.finding import find_trained, tables
from kaffect.studies.plan import Plan
from kaffect.studies.registry import TRAINED

TRAINED_TABLES = [name for name, table in tables().items() if table.study in TRAINED]
# Of GANs both configurations, with the filters of Tables VII and VIII.
CONFIGURATIONS = {"configuration-1": "1:", "configuration-2": "2:"}


def settings(name: str, profile: str) -> dict[str, dict[str, Any]]:
    """Row -> its settings by dotted name, as JSON has them; of GANs "<configuration>:<row>"."""
    table = find_trained(name)
    study = TRAINED[table.study]
    weights = "setup.cfg" if name == "A5" else None
    plan = Plan(table, study.profiles[profile], None, (), weights=weights)
    found = {}
    for variant in study.variants:
        if variant and variant not in CONFIGURATIONS:
            continue
        for number, row in enumerate(table.rows, start=1):
            key = f"{CONFIGURATIONS.get(variant, '')}{number}"
            config = plan.configure(row, 0, variant)
            # Settings that are younger than the figures, at their defaults, are not in the file.
            younger = _dotted(config.to_dict()) - _dotted(config.without_later(config.to_dict()))
            flat = {k: v for k, v in config.flat().items() if k not in younger}
            found[key] = json.loads(json.dumps(flat))
    return found


def _dotted(values: dict[str, dict[str, Any]]) -> set[str]:
    return {f"{part}.{key}" for part, settings in values.items() for key in settings}


@pytest.mark.parametrize("profile", PROFILE_NAMES)
@pytest.mark.parametrize("name", TRAINED_TABLES)
def test_settings_are_those_of_the_published_figures(name: str, profile: str, golden: Path) -> None:
    stored = json.loads((golden / "settings.json").read_text())[name][profile]
    shared = stored.pop("every row")
    found = settings(name, profile)
    assert list(found) == list(stored)
    for row, changes in stored.items():
        wanted = {**shared, **changes}
        differing = {
            key: (wanted.get(key, "absent"), found[row].get(key, "absent"))
            for key in wanted.keys() | found[row].keys()
            if wanted.get(key, "absent") != found[row].get(key, "absent")
        }
        assert not differing, f"table {name}, {profile}, row {row}: setting -> (stored, now)"


def test_no_trained_table_is_left_out(golden: Path) -> None:
    assert set(json.loads((golden / "settings.json").read_text())) == set(TRAINED_TABLES)
