"""The star catalogue as it is read."""

import numpy as np

from appliance.skysim.catalogue import bright_stars


def test_the_catalogue_holds_every_bright_star_that_has_a_place() -> None:
    stars = bright_stars()
    assert stars.v_mag.size == stars.ra_deg.size == stars.dec_deg.size == 8870
    assert np.isfinite(stars.ra_deg).all()
    assert np.isfinite(stars.dec_deg).all()
    assert (stars.ra_deg[0], stars.dec_deg[0], stars.v_mag[0]) == (101.287155, -16.716116, -1.44)  # Sirius
    assert stars.v_mag.max() == 6.5
