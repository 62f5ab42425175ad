"""The machine's sensors on the real kernel of the machine that runs this."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.host.sensors import Sensors


def test_this_machine_tells_what_can_be_true(tmp_path: Path) -> None:
    reading = Sensors(tmp_path).read(datetime.now(UTC))
    assert reading.uptime_s is not None
    assert abs(reading.uptime_s - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5
    assert reading.processors == os.cpu_count()
    assert reading.load is not None
    assert 0 <= reading.load < 10_000
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert reading.memory.total_bytes == total
    assert reading.memory.available_bytes is not None
    assert 0 < reading.memory.available_bytes < total
    assert reading.temperature_c is None or 0 < reading.temperature_c < 110
    assert reading.disk.is_read_only is False
    assert reading.disk.total_bytes == shutil.disk_usage(tmp_path).total
    assert all(one.name in os.listdir("/sys/class/net") for one in reading.interfaces)  # noqa: PTH208 - names, not paths


def test_the_disk_below_a_folder_is_the_one_that_the_system_names(tmp_path: Path) -> None:
    """Compare with the device number that stat(2) tells, where a block device is below."""
    disk = Sensors(tmp_path).read(datetime.now(UTC)).disk
    device = os.stat(tmp_path).st_dev  # noqa: PTH116 - the same call
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not block.exists():
        assert disk.device is None
        return
    whole = block.resolve().parent if (block / "partition").exists() else block.resolve()
    assert disk.device == whole.name
    counted = Path(f"/sys/fs/ext4/{block.resolve().name}/errors_count")
    assert disk.file_system_errors == (int(counted.read_text()) if counted.exists() else None)


def test_a_reading_costs_little(tmp_path: Path) -> None:
    sensors = Sensors(tmp_path)
    began = time.thread_time()
    for _ in range(100):
        sensors.read(datetime.now(UTC))
    one_s = (time.thread_time() - began) / 100
    began = time.thread_time()
    for _ in range(100):
        sensors.read_strain()
    strain_s = (time.thread_time() - began) / 100
    print(f"a reading: {one_s * 1e3:.2f} ms of CPU; the firmware alone: {strain_s * 1e3:.2f} ms")
    assert one_s < 0.1


REMOUNTED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from appliance.host.sensors import Sensors
disk = Sensors(Path(sys.argv[1])).read(datetime.now(UTC)).disk
print(disk.is_read_only, disk.total_bytes)
"""


@pytest.mark.needs("unshare", "mount")
def test_a_file_system_that_is_remounted_read_only_is_seen(tmp_path: Path, project: Path) -> None:
    """In a mount name space of its own, on a file system made for it."""
    ask = f"{shlex.quote(sys.executable)} -c {shlex.quote(REMOUNTED)} {shlex.quote(str(tmp_path / 'disk/data'))}"
    steps = (
        f"cd {shlex.quote(str(tmp_path))}; mkdir disk; mount -t tmpfs -o size=1m none disk; mkdir disk/data;"
        f"export PYTHONPATH={shlex.quote(str(project))};"
        f"{ask}; mount -o remount,ro disk; {ask}; mount -o remount,rw disk; mount -o bind,ro disk disk; {ask}"
    )
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", steps]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.stdout.splitlines() == ["False 1048576", "True 1048576", "True 1048576"], answer.stderr
