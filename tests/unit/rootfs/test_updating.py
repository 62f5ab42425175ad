"""What the programs of updates share: the order of versions, the machine's network and power, and root's notes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rootfs import scripts

versions, machine, records = (scripts.part(name) for name in ("versions", "machine", "records"))

IN_ORDER = [
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
    "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-0", "2.0.0", "10.0.0",
]  # fmt: skip
"""Those with a dash as https://semver.org/#spec-item-11 has them."""
PARTS = st.one_of(
    st.integers(0, 12).map(str), st.text("0123456789abAZ-", min_size=1, max_size=4).filter(lambda t: not t.isdigit())
)
VERSIONS = st.builds(
    lambda core, before: ".".join(map(str, core)) + (f"-{'.'.join(before)}" if before else ""),
    st.tuples(*[st.integers(0, 12)] * 3),
    st.lists(PARTS, max_size=3),
)


def test_versions_are_ordered_as_semver_says() -> None:
    ranks = [versions.rank(text) for text in IN_ORDER]
    assert None not in ranks
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(IN_ORDER)
    assert versions.rank("1.0.0+one") == versions.rank("1.0.0+two")


@given(VERSIONS, VERSIONS)
def test_any_two_versions_can_be_compared(one: str, other: str) -> None:
    first, second = versions.rank(one), versions.rank(other)
    assert (first < second) + (first > second) + (first == second) == 1
    assert versions.rank(one.partition("-")[0]) >= first, "a release comes after all before it"


@given(st.text(max_size=80))
def test_any_text_is_a_version_or_none(untrusted: str) -> None:
    rank = versions.rank(untrusted)
    assert rank is None or len(rank[0]) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.0",
        "v1.0.0",
        "1.0.0.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0-01",
        "1.0.0-a..b",
        "1.0.0 ",
        "1.0.0\n",
        "\u0661.0.0",
        "1" * 70,
    ],
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert versions.rank(text) is None


def test_the_running_version_stands_in_os_release(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    assert versions.running(file) == ""
    file.write_text('VERSION_ID="13"\nIMAGE_ID=nightjar\nIMAGE_VERSION="0.1.0"\n')
    assert versions.running(file) == "0.1.0"


# The machine

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT = "end0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
LINK = "end0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
DOWN = "end0\t00000000\t0101A8C0\t0202\t0\t0\t100\t00000000\t0\t0\t0\n"
ROUTE6 = f"{'0' * 32} 00 {'0' * 32} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00000003     end0\n"
NO_ROUTE6 = f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo\n"
TRIE = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- {}\n        /32 host LOCAL\n     |-- 192.168.1.0\n        /24 link UNICAST\n"
GLOBAL6, LINK6 = f"fd00{'0' * 27}1 02 40 00 80     end0\n", f"fe80{'0' * 27}1 02 40 20 80     end0\n"


@pytest.mark.parametrize(
    ("files", "route", "address"),
    [
        ({}, False, False),
        ({"route": ROUTE + LINK + DEFAULT, "fib_trie": TRIE.format("192.168.1.7")}, True, True),
        ({"route": ROUTE + LINK + DOWN, "fib_trie": TRIE.format("127.0.0.1"), "if_inet6": LINK6}, False, False),
        ({"ipv6_route": NO_ROUTE6 + ROUTE6, "if_inet6": LINK6 + GLOBAL6}, True, True),
        ({"ipv6_route": NO_ROUTE6, "fib_trie": TRIE.format("169.254.3.4")}, False, False),
        ({"route": "nonsense\n" * 3, "ipv6_route": "x\n", "if_inet6": "\n"}, False, False),
    ],
)
def test_the_network_is_a_way_out_and_an_address(tmp_path: Path, files: dict[str, str], route: bool, address: bool) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "proc/net" / name).write_text(text)
    assert machine.network(tmp_path) == machine.Network(route=route, address=address)


def test_worse_is_what_was_there_and_is_missing() -> None:
    every = [machine.Network(route=route, address=address) for route in (False, True) for address in (False, True)]
    worse = {(before, now) for before in every for now in every if now.is_worse_than(before)}
    none, address, route, both = every
    assert worse == {
        (address, none),
        (address, route),
        (route, none),
        (route, address),
        (both, none),
        (both, address),
        (both, route),
    }


@pytest.mark.parametrize(
    ("sensor", "alarm", "throttled", "is_weak"),
    [
        ("rpi_volt", "1", None, True),
        ("rpi_volt", "0", None, False),
        ("cpu_thermal", "1", None, False),
        (None, None, "50005", True),
        (None, None, "0x50000", False),
        (None, None, "none", False),
        (None, None, None, False),
    ],
)
def test_power_is_weak_only_where_something_says_so_now(
    tmp_path: Path, sensor: str | None, alarm: str | None, throttled: str | None, is_weak: bool
) -> None:
    if sensor is not None and alarm is not None:
        (tmp_path / "sys/class/hwmon/hwmon1").mkdir(parents=True)
        (tmp_path / "sys/class/hwmon/hwmon1/name").write_text(f"{sensor}\n")
        (tmp_path / "sys/class/hwmon/hwmon1/in0_lcrit_alarm").write_text(f"{alarm}\n")
    if throttled is not None:
        (tmp_path / "sys/devices/platform/soc/soc:firmware").mkdir(parents=True)
        (tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text(f"{throttled}\n")
    assert machine.is_under_voltage(tmp_path) is is_weak


@pytest.mark.parametrize(
    ("root", "boot", "is_one"),
    [
        (b"hsqs", b"\0" * 510 + b"\x55\xaa", True),
        (b"hsqs", b"\0" * 512, False),
        (b"\0" * 4, b"\0" * 510 + b"\x55\xaa", False),
        (b"", b"", False),
    ],
)
def test_a_place_without_file_systems_holds_no_system(tmp_path: Path, root: bytes, boot: bytes, is_one: bool) -> None:
    (tmp_path / "root_b").write_bytes(root)
    (tmp_path / "boot_b").write_bytes(boot)
    assert machine.holds_system("B", tmp_path) is is_one


# Root's notes

TRIAL = records.Trial("1.3.0", "1.2.0", "2026-01-31T22:00:00Z", machine.Network(route=True, address=False), "B", "1d2c")


def test_the_files_are_those_that_the_panel_reads(tmp_path: Path) -> None:
    notes = records.Records(tmp_path)
    notes.begin(TRIAL)
    notes.tell(records.INSTALLED, "1.3.0", "1.2.0")
    notes.set_bad("1.2.5", is_bad=True)
    assert json.loads((tmp_path / "trial.json").read_text()) == {
        "version": "1.3.0", "from_version": "1.2.0", "at": "2026-01-31T22:00:00Z", "network": {"route": True, "address": False},
    }  # fmt: skip
    (line,) = map(json.loads, (tmp_path / "history.jsonl").read_text().splitlines())
    assert line.pop("at").endswith("Z")
    assert line == {"version": "1.3.0", "from_version": "1.2.0", "outcome": "installed", "reason": ""}
    assert json.loads((tmp_path / "bad.json").read_text()) == ["1.2.5"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_a_trial_comes_back_as_it_was_with_its_failures_and_ends(tmp_path: Path) -> None:
    notes = records.Records(tmp_path)
    assert (notes.trial, notes.failures) == (None, [])
    notes.begin(TRIAL)
    assert notes.trial == TRIAL
    notes.add_failure(TRIAL, "the panel\n does not\x1b answer")
    notes.add_failure(TRIAL, "x" * 1000)
    assert notes.failures == ["the panel does not answer", "x" * 400]
    notes.begin(TRIAL)
    assert notes.failures == []
    notes.end()
    assert (notes.trial, notes.failures, list(tmp_path.iterdir())) == (None, [], [])
    notes.end()


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null", '{"version": 1}', '{"slot": "C", "failures": 3}', "\0\0\0"])
@pytest.mark.parametrize("name", ["trial.json", "attempt.json", "bad.json", "slots.json", "history.jsonl"])
def test_a_damaged_note_is_none_and_is_replaced(tmp_path: Path, damaged: str, name: str) -> None:
    notes = records.Records(tmp_path)
    notes.begin(TRIAL)
    (tmp_path / name).write_text(damaged)
    assert notes.trial in (None, TRIAL)
    assert notes.failures == []
    assert notes.bad == []
    assert notes.slots == records.Slots()
    notes.begin(TRIAL)
    notes.set_bad("1.0.0", is_bad=True)
    notes.set_version("A", "1.2.0", is_running=True)
    assert (notes.trial, notes.bad, notes.slots) == (TRIAL, ["1.0.0"], records.Slots("A", {"A": "1.2.0"}))


def test_the_history_and_the_list_of_bad_versions_are_bounded(tmp_path: Path) -> None:
    notes = records.Records(tmp_path)
    for number in range(230):
        notes.tell(records.REFUSED, f"1.0.{number}", "2.0.0", "older\nthan this")
        notes.set_bad(f"1.0.{number}", is_bad=True)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [line["version"] for line in lines] == [f"1.0.{number}" for number in range(30, 230)]
    assert {line["reason"] for line in lines} == {"older than this"}
    assert notes.bad == [f"1.0.{number}" for number in range(180, 230)]
    notes.set_bad("1.0.229", is_bad=False)
    assert notes.bad[-1] == "1.0.228"


def test_what_is_so_already_is_not_written_again(tmp_path: Path) -> None:
    notes = records.Records(tmp_path)
    notes.set_version("A", "1.2.0", is_running=True)
    notes.set_version("B", "1.1.0")
    before = (tmp_path / "slots.json").stat().st_ino
    notes.set_version("A", "1.2.0", is_running=True)
    notes.set_version("B", "1.1.0")
    notes.set_bad("1.0.0", is_bad=False)
    assert (tmp_path / "slots.json").stat().st_ino == before
    assert not (tmp_path / "bad.json").exists()
    assert notes.slots == records.Slots("A", {"A": "1.2.0", "B": "1.1.0"})


def test_a_link_in_the_place_of_a_part_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/.bad.json.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        records.Records(tmp_path / "notes").set_bad("1.0.0", is_bad=True)
    assert (tmp_path / "elsewhere").read_text() == "untouched"
