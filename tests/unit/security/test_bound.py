"""A credential is good for the place that it was entered for, and for no other."""

import pytest

from appliance.domain.errors import VaultError
from appliance.domain.secret import Secret
from appliance.security.bound import open_for, seal_for
from appliance.security.vault import Vault, new_key

PLACE = "sftp://ada@observatory:22"


def test_it_opens_for_its_own_place_only() -> None:
    vault = Vault([new_key()])
    sealed = seal_for(vault, PLACE, Secret("moon & \n stars"))
    assert b"stars" not in sealed
    assert open_for(vault, PLACE, sealed).reveal() == "moon & \n stars"
    for other in ("sftp://ada@evil.example:22", "sftp://eve@observatory:22", "sftp://ada@observatory:2222", ""):
        with pytest.raises(VaultError, match="another place"):
            open_for(vault, other, sealed)


def test_what_is_damaged_or_not_bound_is_refused() -> None:
    vault = Vault([new_key()])
    for sealed in (vault.seal(Secret("plain")), vault.seal(Secret('"x"')), vault.seal(Secret("[1, 2, 3]")), b"nonsense"):
        with pytest.raises(VaultError):
            open_for(vault, PLACE, sealed)
