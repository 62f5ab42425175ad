"""Which system starts next, as RAUC asks and changes it: every verb on files in place of the partition."""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild.bootfiles import NEW_STATE, SECOND_COPY_AT, STATE_SIZE, state_partition
from tests.unit.rootfs import scripts

script = scripts.part("bootstate")
PARTITION = 8 << 20

STATES = st.builds(
    lambda order, a, b: {"BOOT_ORDER": " ".join(order), "BOOT_A_LEFT": str(a), "BOOT_B_LEFT": str(b)},
    st.sampled_from([["A"], ["B"], ["A", "B"], ["B", "A"]]),
    st.integers(0, 3),
    st.integers(0, 3),
)
NAMES = st.sampled_from("AB")
CHANGES = st.one_of(
    st.tuples(st.just("set-primary"), NAMES), st.tuples(st.just("set-state"), NAMES, st.sampled_from(["good", "bad"]))
)


class Card:
    """The partition, and what the kernel was told."""

    def __init__(self, folder: Path, state: dict[str, str] | None = None, running: str = "A") -> None:
        self.device, self.command_line = folder / "bootstate", folder / "cmdline"
        with self.device.open("wb") as file:
            file.truncate(PARTITION)
        if state is not None:
            self.device.write_bytes(state_partition(state, PARTITION))
        self.command_line.write_text(f"root=PARTUUID=1-02 ro rauc.slot={running} quiet\n")

    def ask(self, *words: str) -> str:
        return str(script.answer(words, self.device, self.command_line))

    def state(self) -> dict[str, str]:
        return dict(script.read(self.device, "A"))

    def copies(self) -> list[bytes]:
        data = self.device.read_bytes()
        return [data[begin : begin + STATE_SIZE] for begin in (0, SECOND_COPY_AT)]

    def apply(self, words: Sequence[str]) -> None:
        """Change it, where that makes sense."""
        with contextlib.suppress(script.Refusal):
            self.ask(*words)


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path, NEW_STATE)


def test_a_new_card_has_one_system(card: Card) -> None:
    assert [card.ask("get-current"), card.ask("get-primary")] == ["A", "A"]
    assert [card.ask("get-state", name) for name in "AB"] == ["good", "bad"]


def test_an_update_takes_the_second_place_and_then_the_first(card: Card) -> None:
    card.ask("set-state", "B", "bad")
    assert card.ask("get-primary") == "A"
    card.ask("set-primary", "B")
    assert card.state() == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
    card.ask("set-state", "B", "good")
    assert card.state()["BOOT_ORDER"] == "B A"


def test_a_system_without_attempts_is_left_for_the_other_one(tmp_path: Path) -> None:
    card = Card(tmp_path, {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "0"})
    assert card.ask("get-primary") == "A"
    assert card.ask("get-state", "B") == "bad"


def test_the_last_system_is_not_taken_out(card: Card) -> None:
    before = card.copies()
    with pytest.raises(script.Refusal, match="only one"):
        card.ask("set-state", "A", "bad")
    assert card.copies() == before


@given(state=STATES, words=CHANGES)
def test_every_change_may_be_repeated_and_leaves_a_system_to_start(
    tmp_path_factory: pytest.TempPathFactory, state: dict[str, str], words: tuple[str, ...]
) -> None:
    card = Card(tmp_path_factory.mktemp("card"), state)
    card.apply(words)
    once = card.copies()
    card.apply(words)
    assert card.copies() == once
    assert once[0] == once[1]
    if words[0] == "set-primary":
        assert card.ask("get-primary") == words[1]
    if words[2:] == ("good",):
        assert card.ask("get-state", words[1]) == "good"
    assert set(card.state()["BOOT_ORDER"].split()) <= {"A", "B"}
    assert card.state()["BOOT_ORDER"]


@given(state=STATES, words=CHANGES, write=st.integers(0, 1), length=st.integers(0, STATE_SIZE))
def test_a_power_cut_leaves_the_state_before_or_the_one_after(
    tmp_path_factory: pytest.TempPathFactory, state: dict[str, str], words: tuple[str, ...], write: int, length: int
) -> None:
    whole, cut = Card(tmp_path_factory.mktemp("whole"), state), Card(tmp_path_factory.mktemp("cut"), state)
    whole.apply(words)
    count = 0

    def torn(descriptor: int, data: bytes, begin: int) -> int:
        nonlocal count
        is_last, count = count == write, count + 1
        os.pwrite(descriptor, data[: length if is_last else None], begin)
        if is_last:
            raise OSError(5, "the power is gone")
        return len(data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "os", type("Os", (), {**vars(os), "pwrite": staticmethod(torn)}))
        with contextlib.suppress(OSError):
            cut.apply(words)
    assert cut.state() in (dict(state), whole.state())


def test_a_state_that_says_so_already_is_not_written_again(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "os", type("Os", (), {**vars(os), "pwrite": None}))
    card.ask("set-state", "A", "good")
    card.ask("set-primary", "A")


@pytest.mark.parametrize("damaged", [0, 1])
def test_one_damaged_copy_is_made_whole_by_the_next_change(tmp_path: Path, damaged: int) -> None:
    card = Card(tmp_path, {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "1"})
    data = bytearray(card.device.read_bytes())
    data[(0, SECOND_COPY_AT)[damaged] + 20] ^= 0x10
    card.device.write_bytes(data)
    assert card.ask("get-primary") == "B"
    card.ask("set-state", "B", "good")
    first, second = card.copies()
    assert first == second == script.packed({"BOOT_ORDER": "B A", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "3"})


@pytest.mark.parametrize("running", ["A", "B"])
def test_without_a_whole_copy_the_running_system_is_the_one_to_start(tmp_path: Path, running: str) -> None:
    card = Card(tmp_path, None, running)
    assert card.ask("get-primary") == running
    card.ask("set-state", running, "good")
    assert card.state()["BOOT_ORDER"] == running


@given(st.binary(max_size=STATE_SIZE))
def test_any_bytes_are_a_state_or_damaged(untrusted: bytes) -> None:
    for copy in (untrusted, untrusted.ljust(STATE_SIZE, b"\0")):
        found = script.unpacked(copy)
        assert found is None or found["BOOT_ORDER"]


@pytest.mark.parametrize("order", ["", "C", "A A", "A B A"])
def test_a_whole_copy_that_names_no_order_of_systems_is_not_taken(order: str) -> None:
    assert script.unpacked(script.packed({"BOOT_ORDER": order, "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})) is None


@pytest.mark.parametrize(
    "words", [[], ["get-primary", "A"], ["set-primary"], ["set-primary", "C"], ["set-state", "A", "fine"], ["get-state"]]
)
def test_what_rauc_never_asks_is_refused_in_one_line(card: Card, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = card.copies()
    assert script.main(words, card.device, card.command_line) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert card.copies() == before


def test_a_kernel_that_was_told_nothing_is_refused(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    card.command_line.write_text("root=/dev/sda1 xrauc.slot=A\n")
    assert script.main(["get-primary"], card.device, card.command_line) == 2
    assert "does not say which system runs" in capsys.readouterr().err


def test_a_partition_that_is_not_there_is_told(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    card.device.unlink()
    assert script.main(["get-primary"], card.device, card.command_line) == 1
    assert "No such file" in capsys.readouterr().err


def test_the_program_that_rauc_calls_answers_by_itself() -> None:
    program = scripts.FOLDER / "nightjar-boot-state"
    assert program.stat().st_mode & 0o111 == 0o111
    ended = subprocess.run([program, "get-primary", "A"], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert not list(scripts.FOLDER.rglob("__pycache__"))
