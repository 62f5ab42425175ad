"""The machine's sensors on a made-up tree: what a Pi shows, what is missing, and what no kernel would write."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.machine import Disk, Memory, Reading, Strain
from appliance.host.kernelfiles import LARGEST, KernelFiles
from appliance.host.sensors import Sensors
from tests.unit.host.machinetree import (
    ALARM,
    ERRORS,
    FILES,
    LIFE,
    LINKS,
    MMC,
    MOUNTS,
    SPARE,
    TEMPERATURE,
    THROTTLED,
    WIRELESS,
    WIRELESS_HEAD,
    plant,
)

AT = datetime(2026, 1, 31, 20, tzinfo=UTC)
DATA = Path("/data/nightjar")
FINE = Strain(False, False, False, False)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    return plant(tmp_path / "root")


def read(root: Path, data: Path = DATA) -> Reading:
    return Sensors(data, root).read(AT)


def test_a_raspberry_pi_is_read_whole(pi: Path) -> None:
    reading = read(pi)
    assert (reading.at, reading.uptime_s, reading.temperature_c) == (AT, 98765.43, 52.095)
    assert (reading.load, reading.load_15min, reading.processors) == (0.52, 2.08, 4)
    assert reading.memory == Memory(948280 * 1024, 474140 * 1024, 1.25)
    assert (reading.now, reading.since_start) == (FINE, FINE)
    assert reading.disk == Disk("mmcblk0", "BJTD4R", "MMC", "08/2024", 30, "normal", 0, None, 12.5, False, None, None)
    assert [(one.name, one.is_wireless, one.is_up, one.has_carrier) for one in reading.interfaces] == [
        ("eth0", False, True, False),
        ("wlan0", True, True, True),
    ]
    assert (reading.interfaces[1].received_bytes, reading.interfaces[1].sent_bytes) == (123456, 7890)
    assert reading.signal_dbm == -52.0


def test_where_there_is_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert read(tmp_path / "no such folder") == Reading(AT)


@pytest.mark.parametrize("missing", sorted(FILES))
def test_a_missing_file_is_no_error(pi: Path, missing: str) -> None:
    (pi / missing).unlink()
    assert read(pi).at == AT


@pytest.mark.parametrize(
    ("bits", "now", "before"),
    [
        ("0", FINE, FINE),
        ("50005", Strain(True, False, True, False), Strain(True, False, True, False)),
        ("0xe0008", Strain(False, False, False, True), Strain(False, True, True, True)),
        ("10000", FINE, Strain(True, False, False, False)),
        ("2", Strain(False, True, False, False), Strain(False, True, False, False)),
    ],
)
def test_the_firmwares_bits_are_told_apart(pi: Path, bits: str, now: Strain, before: Strain) -> None:
    (pi / THROTTLED).write_text(bits + "\n")
    assert Sensors(DATA, pi).read_strain() == (now, before)


def test_the_voltage_alarm_counts_without_the_firmwares_file_and_beside_it(pi: Path) -> None:
    (pi / ALARM).write_text("1\n")
    assert Sensors(DATA, pi).read_strain()[0] == Strain(True, False, False, False)
    (pi / THROTTLED).unlink()
    assert Sensors(DATA, pi).read_strain() == (Strain(under_voltage=True), Strain(under_voltage=True))


def test_the_firmware_is_found_at_the_address_of_a_pi_5(pi: Path) -> None:
    shutil.rmtree(pi / "sys/devices/platform/soc")
    plant(pi, {"sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "1\n"}, {})
    assert Sensors(DATA, pi).read_strain()[0].under_voltage


@pytest.mark.parametrize("bits", ["", "5000500000", "-1", "throttled=0x0", "1 2", "g", "\x00"])
def test_bits_that_are_none_are_not_known(pi: Path, bits: str) -> None:
    (pi / THROTTLED).write_text(bits)
    (pi / ALARM).write_text(bits)
    assert Sensors(DATA, pi).read_strain() == (Strain(), Strain())


@pytest.mark.parametrize("text", ["", "warm", "52.1", "-280000", "151000", "9" * 40, "1e4", "\u0661\u0662", "52 53"])
def test_a_temperature_that_cannot_be_is_not_known(pi: Path, text: str) -> None:
    (pi / TEMPERATURE).write_text(text)
    shutil.rmtree(pi / "sys/class/hwmon")
    assert read(pi).temperature_c is None


def test_other_chips_tell_the_temperature_where_no_zone_does(pi: Path) -> None:
    shutil.rmtree(pi / "sys/class/thermal")
    assert read(pi).temperature_c == 52.1


def test_the_hottest_processor_counts_and_wifi_does_not(pi: Path) -> None:
    plant(pi, {"sys/class/thermal/thermal_zone2/type": "soc-thermal", "sys/class/thermal/thermal_zone2/temp": "61000"}, {})
    assert read(pi).temperature_c == 61.0


@pytest.mark.parametrize(
    ("text", "percent"),
    [("0x01 0x01", 10), ("0x0a 0x02", 100), ("0x0B 0x01", 110), ("0x00 0x04", 40), ("0x00 0x00", None), ("0xff 0xff", None),
     ("2 3", None), ("worn", None)],
)  # fmt: skip
def test_the_wear_of_an_emmc_is_that_of_its_more_worn_half(pi: Path, text: str, percent: int | None) -> None:
    (pi / LIFE).write_text(text)
    assert read(pi).disk.worn_percent == percent


@pytest.mark.parametrize(
    ("text", "words"), [("0x02", "low"), ("0x03", "nearly gone"), ("0x00", None), ("0x07", None), ("3", None)]
)
def test_spare_blocks_are_told_in_words(pi: Path, text: str, words: str | None) -> None:
    (pi / SPARE).write_text(text)
    assert read(pi).disk.spare_blocks == words


@pytest.mark.parametrize(
    "line",
    [
        "23 22 179:7 / /data ro,noatime shared:1 - ext4 /dev/mmcblk0p7 rw",
        "23 22 179:7 / /data rw,noatime shared:1 - ext4 /dev/mmcblk0p7 ro",
        "23 22 179:7 / /data rw,noatime - ext4 /dev/mmcblk0p7 rw,errors=remount-ro,emergency_ro",
        "23 22 179:7 / /data rw,noatime - ext4 /dev/mmcblk0p7 rw,shutdown",
    ],
)
def test_a_data_folder_that_takes_no_writes_is_seen_whichever_way_it_came(pi: Path, line: str) -> None:
    (pi / MOUNTS).write_text("23 22 179:7 / /data rw - ext4 /dev/mmcblk0p7 rw,errors=remount-ro\n")
    assert read(pi).disk.is_read_only is False
    (pi / MOUNTS).write_text(line + "\n")
    assert read(pi).disk.is_read_only is True


def test_the_nearest_mount_counts_and_the_last_of_two(pi: Path) -> None:
    with (pi / MOUNTS).open("a") as mounts:
        mounts.write("30 23 179:7 / /data/nightjar ro - ext4 /dev/mmcblk0p7 rw\n31 30 179:7 / /data/nightjar rw - ext4 x rw\n")
    assert read(pi).disk.is_read_only is False
    assert read(pi, Path("/data two/x")).disk.device is None  # a file system without a disk
    assert read(pi, Path("/database")).disk.is_read_only is True  # the root's, not that of /data


def test_errors_of_the_file_system_and_of_a_usb_disk_are_counted(pi: Path) -> None:
    (pi / ERRORS).write_text("3\n")
    plant(pi, {f"{MMC}/ioerr_cnt": "0x1f\n"}, {})
    assert (read(pi).disk.file_system_errors, read(pi).disk.io_errors) == (3, 31)
    (pi / ERRORS).write_text("-3\n")
    (pi / f"{MMC}/ioerr_cnt").write_text("many\n")
    assert (read(pi).disk.file_system_errors, read(pi).disk.io_errors) == (None, None)


def test_room_is_asked_of_the_data_folder_itself(pi: Path, tmp_path: Path) -> None:
    disk = read(pi, tmp_path).disk
    assert disk.free_bytes is not None
    assert disk.total_bytes is not None
    assert 0 < disk.free_bytes <= disk.total_bytes == shutil.disk_usage(tmp_path).total


@pytest.mark.parametrize(
    ("level", "signal"), [("-52.", -52.0), ("204.", -52.0), ("-52", -52.0), ("0.", None), ("-500.", None), ("loud", None)]
)
def test_wifi_signals_are_in_dbm(pi: Path, level: str, signal: float | None) -> None:
    (pi / WIRELESS).write_text(
        f"{WIRELESS_HEAD} wlan0: 0000   58.  {level}  -256        0      0      0      3      0        0\n"
    )
    assert read(pi).signal_dbm == signal


def test_an_interface_that_is_switched_off_has_no_carrier(pi: Path) -> None:
    (pi / "sys/class/net/wlan0/flags").write_text("0x1002\n")
    (pi / "sys/class/net/wlan0/carrier").unlink()
    assert (read(pi).interfaces[1].is_up, read(pi).interfaces[1].has_carrier) == (False, False)


@pytest.mark.parametrize(("text", "count"), [("0", 1), ("0,2-3", 3), ("3-1", None), ("all", None), ("", None), ("0-99999", None)])
def test_processors_are_counted(pi: Path, text: str, count: int | None) -> None:
    (pi / "sys/devices/system/cpu/online").write_text(text)
    assert read(pi).processors == count


@pytest.mark.parametrize("text", ["", "MemTotal: 0 kB", "MemTotal: -5 kB", "MemTotal: x kB", "MemTotal: 100 MB"])
def test_memory_that_cannot_be_is_not_known(pi: Path, text: str) -> None:
    (pi / "proc/meminfo").write_text(text)
    assert read(pi).memory == Memory(stalled_percent=1.25)


def test_more_free_memory_than_there_is_is_not_believed(pi: Path) -> None:
    (pi / "proc/meminfo").write_text("MemTotal: 100 kB\nMemAvailable: 101 kB\n")
    assert read(pi).memory == Memory(102400, None, 1.25)


def test_pipes_folders_circles_and_endless_files_do_not_hold_us_up(pi: Path) -> None:
    (pi / TEMPERATURE).unlink()
    os.mkfifo(pi / TEMPERATURE)
    (pi / ALARM).unlink()
    (pi / ALARM).mkdir()
    (pi / "proc/uptime").write_text("1 " * LARGEST)
    (pi / LIFE).unlink()
    (pi / LIFE).symlink_to(LIFE)
    (pi / "sys/dev/block/179:7").unlink()
    (pi / "sys/dev/block/179:7").symlink_to("179:7")
    reading = read(pi)
    assert (reading.temperature_c, reading.uptime_s, reading.disk.device) == (52.1, None, None)


def test_names_that_cannot_be_shown_are_left_out(pi: Path) -> None:
    for name in (b"eth\xff", "eth\u00e4".encode(), b"eth\n9"):
        (pi / "sys/class/net" / os.fsdecode(name) / "device").mkdir(parents=True)
    assert [one.name for one in read(pi).interfaces] == ["eth0", "wlan0"]


def test_a_name_with_a_zero_in_it_is_no_file(tmp_path: Path) -> None:
    assert KernelFiles(tmp_path).text("a\x00b") is None


@given(victim=st.sampled_from(sorted(set(FILES) - {"sys/class/net/eth0/device/uevent"})), garbage=st.binary(max_size=300))
def test_any_bytes_give_a_reading_within_bounds(tmp_path_factory: pytest.TempPathFactory, victim: str, garbage: bytes) -> None:
    root = plant(tmp_path_factory.mktemp("root"), FILES, LINKS)
    try:
        (root / victim).write_bytes(garbage)
        reading = read(root)
    finally:
        shutil.rmtree(root)
    assert reading.temperature_c is None or -60 <= reading.temperature_c <= 150
    assert reading.load is None or 0 <= reading.load <= 1e6
    assert reading.disk.worn_percent is None or 10 <= reading.disk.worn_percent <= 110
    assert reading.signal_dbm is None or -120 <= reading.signal_dbm < 0
    assert reading.memory.available_bytes is None or reading.memory.available_bytes >= 0
    assert reading.disk.model is None or reading.disk.model.isprintable()
