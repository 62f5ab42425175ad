"""The vault's key file: made once, private, rotated, and whole after a power cut at any point of the rotation."""

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from appliance.domain.errors import StoreError, VaultError
from appliance.domain.secret import Secret
from appliance.security.vault import Vault, keys_from_file, new_key
from appliance.store.files import DataFolder
from appliance.web.vaultkeeper import KEY_FILE, VaultKeeper
from tests.unit.web.gatehouse import HOME, House, open_house

CANARY = Secret("canary-5f3a91")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as house:
        house.claim()
        house.credentials.set("sftp.password", house.keeper.vault.seal(CANARY))
        yield house


def key_path(house: House) -> Path:
    return house.folder.root / "keys" / KEY_FILE


def rotate(house: House) -> None:
    house.keeper.rotate(house.credentials, house.stores.accounts, lambda action: house.stores.audit.add("anna", HOME, action))


def opened(house: House, keeper: VaultKeeper) -> str:
    return keeper.vault.open(house.credentials.get("sftp.password") or b"").reveal()


def test_the_key_is_made_once_and_readable_by_this_user_only(house: House) -> None:
    first = key_path(house).read_bytes()
    assert key_path(house).stat().st_mode & 0o777 == 0o600
    again = VaultKeeper(house.folder)
    again.open()
    assert key_path(house).read_bytes() == first
    assert opened(house, again) == CANARY.reveal()


def test_two_devices_have_two_keys(tmp_path: Path, house: House) -> None:
    with open_house(tmp_path / "other") as other:
        assert key_path(other).read_bytes() != key_path(house).read_bytes()


def test_a_damaged_key_file_is_not_written_over(house: House) -> None:
    key_path(house).write_bytes(b"damaged")
    with pytest.raises(VaultError):
        VaultKeeper(house.folder).open()
    assert key_path(house).read_bytes() == b"damaged"


def test_after_a_rotation_everything_opens_with_the_new_key_alone(house: House) -> None:
    session, _ = house.login()
    offer = house.people.offer_totp(session, "My sky")
    totp = pyotp.TOTP(offer.secret.reveal())
    house.people.enrol_totp(session, offer.ticket, totp.at(house.clock.now()), HOME)
    old = keys_from_file(key_path(house).read_bytes())
    rotate(house)
    keys = keys_from_file(key_path(house).read_bytes())
    assert len(keys) == 1
    assert keys[0].reveal() != old[0].reveal()
    assert opened(house, house.keeper) == CANARY.reveal()
    with pytest.raises(VaultError):
        Vault(old).open(house.credentials.get("sftp.password") or b"")
    house.clock.run(60)
    house.login(second=totp.at(house.clock.now()))
    assert "vault key rotated" in house.actions()


class BreakingFolder(DataFolder):
    """A folder whose n-th replacement of the key does not happen: the plug was pulled."""

    def __init__(self, root: Path, good: int) -> None:
        super().__init__(root)
        self._left = good

    def replace_key(self, name: str, key: Secret[bytes]) -> None:
        self._left -= 1
        if self._left < 0:
            raise StoreError("the plug was pulled")
        super().replace_key(name, key)


@pytest.mark.parametrize("good", [0, 1])
def test_a_rotation_that_is_cut_leaves_a_key_file_that_opens_everything(house: House, good: int) -> None:
    keeper = VaultKeeper(BreakingFolder(house.folder.root, good))
    keeper.open()
    with pytest.raises(StoreError, match="plug"):
        keeper.rotate(house.credentials, house.stores.accounts, print)
    again = VaultKeeper(house.folder)
    again.open()
    assert opened(house, again) == CANARY.reveal()
    again.rotate(house.credentials, house.stores.accounts, print)
    assert opened(house, again) == CANARY.reveal()
    assert len(keys_from_file(key_path(house).read_bytes())) == 1


def test_a_credential_that_cannot_be_opened_stops_the_rotation_before_anything_is_lost(house: House) -> None:
    foreign = Vault([new_key()]).seal(Secret("foreign"))
    house.credentials.set("foreign", foreign)
    with pytest.raises(VaultError):
        rotate(house)
    assert house.credentials.get("foreign") == foreign
    assert opened(house, house.keeper) == CANARY.reveal()
    again = VaultKeeper(house.folder)
    again.open()
    assert opened(house, again) == CANARY.reveal()


def test_no_secret_lies_in_the_data_folder_but_sealed(house: House) -> None:
    house.database.close()
    for path in house.folder.root.rglob("*"):
        if path.is_file():
            assert CANARY.reveal().encode() not in path.read_bytes()
