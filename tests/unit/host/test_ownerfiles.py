"""What the machine's start hands over: understood as the root oneshots write it, refused in any other form."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import DeniedError, MachineError, UnavailableError
from appliance.host.ownerfiles import OwnerFiles
from appliance.host.reset import FactoryReset

DIGEST = "ab" * 32
GOOD = {"digest": DIGEST, "settings": {"site.latitude_deg": 48.0}, "origins": {"site.latitude_deg": "here"}, "told": ["x"]}


@pytest.fixture
def files(tmp_path: Path) -> OwnerFiles:
    return OwnerFiles(tmp_path, tmp_path / "partition")


def test_nothing_was_handed_over(files: OwnerFiles, tmp_path: Path) -> None:
    assert (files.owners_file(), files.recovery(), files.partition()) == (None, None, "")
    assert OwnerFiles(tmp_path / "missing", tmp_path / "missing").owners_file() is None


def test_the_owners_file_is_understood(files: OwnerFiles, tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text(json.dumps(GOOD))
    found = files.owners_file()
    assert found is not None
    assert (found.digest, dict(found.settings), found.told) == (DIGEST, {"site.latitude_deg": 48.0}, ("x",))
    assert found.origins == {"site.latitude_deg": "here"}


@pytest.mark.parametrize(
    "other",
    [
        {"digest": "ab"}, {"settings": []}, {"settings": {"site.name": ["x"]}}, {"settings": {"site.name": None}},
        {"settings": {"site.name": True}}, {"origins": {"site.name": 5}}, {"told": [5]}, {"told": "x"}, {"digest": None},
    ],
)  # fmt: skip
def test_another_form_is_refused(files: OwnerFiles, tmp_path: Path, other: dict[str, object]) -> None:
    (tmp_path / "owner.json").write_text(json.dumps({**GOOD, **other}))
    with pytest.raises(MachineError):
        files.owners_file()


@pytest.mark.parametrize("content", ["", "[" * 5000, "x" * 70000, "[]"])
def test_what_is_no_such_file_is_refused(files: OwnerFiles, tmp_path: Path, content: str) -> None:
    (tmp_path / "owner.json").write_text(content)
    (tmp_path / "recovery.json").write_text(content)
    for read in (files.owners_file, files.recovery):
        with pytest.raises(MachineError):
            read()


def test_a_recovery_is_handed_over_as_it_was(files: OwnerFiles, tmp_path: Path) -> None:
    (tmp_path / "recovery.json").write_text(json.dumps({"id": "0f" * 16, "text": base64.b64encode(b"\xffx").decode()}))
    found = files.recovery()
    assert found is not None
    assert (found.id, found.text) == ("0f" * 16, b"\xffx")
    (tmp_path / "recovery.json").write_text(json.dumps({"id": "0f" * 16, "text": "no base64!"}))
    with pytest.raises(MachineError):
        files.recovery()


@pytest.mark.parametrize(
    ("content", "state"), [("repaired\n", "repaired"), ("recreated", "recreated"), ("else", ""), ("\xff", "")]
)
def test_the_state_of_the_partition_is_one_of_the_known(files: OwnerFiles, tmp_path: Path, content: str, state: str) -> None:
    (tmp_path / "partition").write_text(content)
    assert files.partition() == state


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda i: st.lists(i) | st.dictionaries(st.text(max_size=4), i),
    )
)
def test_any_json_is_understood_or_refused(tmp_path_factory: pytest.TempPathFactory, told: object) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "owner.json").write_text(json.dumps(told))
    files = OwnerFiles(folder, folder)
    if told is None:
        assert files.owners_file() is None
    else:
        with pytest.raises(MachineError):
            files.owners_file()


class Started:
    """Counts; refuses where it is told to."""

    def __init__(self, error: MachineError | None = None) -> None:
        self.count, self.error = 0, error

    def start_factory_reset(self) -> None:
        if self.error:
            raise self.error
        self.count += 1


@pytest.mark.parametrize(("keep", "word"), [(True, "keep-pictures\n"), (False, "everything\n")])
def test_the_choice_lies_beside_the_order(tmp_path: Path, keep: bool, word: str) -> None:
    units = Started()
    reset = FactoryReset(units, tmp_path)
    assert reset.is_available
    reset.begin(keep_pictures=keep)
    assert (tmp_path / "factory-reset").read_text() == word
    assert (tmp_path / "factory-reset").stat().st_mode & 0o777 == 0o640
    assert units.count == 1


def test_without_an_appliance_nothing_is_ordered(tmp_path: Path) -> None:
    units = Started()
    for folder in (None, tmp_path / "missing"):
        reset = FactoryReset(units, folder)
        assert not reset.is_available
        with pytest.raises(UnavailableError):
            reset.begin(keep_pictures=True)
    assert units.count == 0
    with pytest.raises(DeniedError):
        FactoryReset(Started(DeniedError("no")), tmp_path).begin(keep_pictures=True)
