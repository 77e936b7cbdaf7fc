"""Seeds of the initial weights (Section IV-B): from one seed of a network, one for each weight."""

from __future__ import annotations

import numpy as np


def derived_seed(seed: int | None, *place: int) -> int | None:
    """A seed for the weight at `place`, a pure function of both; `None` stays `None` (random).

    >>> derived_seed(1, 0) == derived_seed(1, 0) and derived_seed(1, 0) != derived_seed(1, 1)
    True
    """
    if seed is None:
        return None
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0] >> 1)
