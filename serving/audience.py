"""What the lists of the users of the data are made from, kept and made ahead, for one model.

How a list is weighed and filtered differs from request to request; what someone's ratings say does
not, and it takes most of the time of a list.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from data_preparation import MovieData
from model.profiles import DEFAULT_PROFILE, Profile
from model.stars import StarModel, Taste, taste_of
from model.trained import TrainedModel
from model.viewers import Viewer, user_viewer
from prediction import Evidence, evidence

MOST_BYTES = 96 * 2**20  # that are kept; beyond it, who was asked for longest ago gives way


@dataclass(frozen=True, eq=False)
class Known:
    """What the ratings of someone say: of every film, and of how they give stars."""

    evidence: Evidence
    taste: Taste

    @classmethod
    def of(cls, data: MovieData, model: TrainedModel, stars: StarModel, viewer: Viewer) -> Known:
        taste = taste_of(stars, viewer.movies, viewer.stars)
        return cls(evidence(data, model, viewer), taste)

    @property
    def nbytes(self) -> int:
        parts = (*vars(self.evidence).values(), self.taste.factor)
        return sum(part.nbytes for part in parts)


class Audience:
    """The users of some data as one model sees them.

    Data and model are given with each call: held here, they would hold themselves.
    """

    def __init__(self, stars: StarModel) -> None:
        self._stars = stars
        self._kept: OrderedDict[tuple[int, Profile], Known] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes, self._next = 0, 0

    def knows(self, user: int, profile: Profile) -> bool:
        """Whether an (inner) user is there."""
        return (user, profile) in self._kept

    def find(self, data: MovieData, model: TrainedModel, user: int, profile: Profile) -> Known:
        """Of an (inner) user."""
        key = (user, profile)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        viewer = user_viewer(data, model, user, profile)
        found = Known.of(data, model, self._stars, viewer)
        self._keep(key, found)
        return found

    def make_ahead(self, data: MovieData, model: TrainedModel, seconds: float) -> bool:
        """Go on with all users, with the profile that serves, once anyone was asked for.

        Only where there is room for all of them.

        Returns:
            Whether it is to be gone on with.
        """
        end = time.monotonic() + seconds
        with self._lock:
            anyone = next(iter(self._kept.values()), None)
        if anyone is None or anyone.nbytes * data.n_users > MOST_BYTES:
            return False
        while self._next < data.n_users and time.monotonic() < end:
            self.find(data, model, self._next, DEFAULT_PROFILE)
            self._next += 1
        return self._next < data.n_users

    def _keep(self, key: tuple[int, Profile], found: Known) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self._bytes += found.nbytes
            while self._bytes > MOST_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.nbytes
