"""Viewers: what someone is fond of, by hand."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from model.viewers import tag_profiles


def test_tag_profile_weighs_films_by_stars_above_the_middle() -> None:
    # stars 4.5, 3.5 and 1.0 weigh 2, 1 and 0: the profile is (2, 1)/√5, the disliked film is out
    stars = sparse.csr_array(np.array([[4.5, 3.5, 1.0]], np.float32))
    tags = sparse.csr_array(np.array([[1, 0], [0, 1], [0, 1]], np.float32))
    profile = tag_profiles(stars, tags).toarray()
    np.testing.assert_allclose(profile, [[2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)
