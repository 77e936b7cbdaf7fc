"""The training face that is nearest to a generated one: does the generator copy? (Section V-A.2)"""

from __future__ import annotations

import numpy as np

from kaffect.errors import ConfigError, expected_received


class NearestFaces:
    """The nearest of many faces to each of a few; the many are compared part by part.

    Attributes:
        number: [n], of the nearest face, as given to `look`; -1 before the first look.
        mirrored: [n], whether it was mirrored.
        distance: [n], root mean square difference in grey levels of 255; infinite before.

    Args:
        faces: uint8 [n, h, w, 3].
        groups: [n]; faces of the same group, as given to `look`, do not count.
    """

    def __init__(self, faces: np.ndarray, groups: np.ndarray | None = None) -> None:
        self.shape, self.groups = faces.shape[1:], groups
        self._mine = faces.reshape(len(faces), -1).astype(np.float32)
        self._norms = (self._mine**2).sum(1)
        self.number = np.full(len(faces), -1, np.int64)
        self.mirrored = np.zeros(len(faces), bool)
        self.distance = np.full(len(faces), np.inf)

    def look(
        self,
        faces: np.ndarray,
        numbers: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        mirror: bool = False,
    ) -> None:
        """Compare with `faces` uint8 [m, h, w, 3], and with their mirror images too.

        Args:
            numbers: [m], what `number` names them.
            groups: [m], see the class.
            mirror: compare with the mirror images as well.

        Raises:
            ConfigError: faces of another size.
        """
        if faces.shape[1:] != self.shape:
            raise ConfigError(expected_received("Size of the faces", self.shape, faces.shape[1:]))
        self._compare(faces, numbers, groups, False)
        if mirror:
            self._compare(faces[:, :, ::-1], numbers, groups, True)

    def _compare(
        self, faces: np.ndarray, numbers: np.ndarray, groups: np.ndarray | None, mirrored: bool
    ) -> None:
        theirs = faces.reshape(len(faces), -1).astype(np.float32)
        squares = self._norms[:, None] + (theirs**2).sum(1)[None] - 2 * self._mine @ theirs.T
        if self.groups is not None and groups is not None:
            squares[self.groups[:, None] == groups[None]] = np.inf
        place = squares.argmin(axis=1)
        counts = np.isfinite(squares[np.arange(len(place)), place])
        # Once more without cancellation: squares of near copies are small differences.
        exact = np.sqrt(((self._mine - theirs[place]) ** 2).mean(axis=1))
        better = counts & (exact < self.distance)
        self.number[better] = numbers[place[better]]
        self.distance[better], self.mirrored[better] = exact[better], mirrored
