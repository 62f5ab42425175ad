"""The service with its real child: filled, pulled, hung, crashed, stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.domain.job import JobState
from appliance.domain.stick import JOB_KIND, EjectStick, ExportRequest, StickState
from appliance.store.files import DataFolder
from appliance.store.outgoing import Outgoing
from tests.integration.export.bench import FS_ID, bench
from tests.integration.export.sky import NIGHTS, Sky

pytestmark = pytest.mark.needs("sha256sum", "ionice")

CALM_S = 10.0
"""No step may come near the 45 s after which a worker counts as stuck; the machine of the tests may be busy."""


def children(of: int) -> list[int]:
    """Return the process ids of the copying children of a process."""
    found = [int(pid) for task in Path(f"/proc/{of}/task").iterdir() for pid in (task / "children").read_text().split()]
    return [pid for pid in found if b"export-child" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.fixture
def large(sky: Sky) -> Sky:
    """Return a sky that takes some seconds at 4 MiB/s."""
    sky.add("2026-01-31", 20, size=700_000)
    return sky


def test_a_confirmed_stick_is_filled_verifies_and_is_safe_to_remove(sky: Sky) -> None:
    with bench(sky.data, sky.mount) as service:
        service.drives.plug()
        service.run_until(lambda: service.is_over)
        service.run_until(lambda: bool(service.published.value) and service.published.value[0].state is StickState.DONE)
        assert service.job.state is JobState.DONE
        assert service.job.done == service.job.total > 0
        assert service.published.value[0].is_safe_to_remove
        assert service.drives.calls == ["mount", "unmount", "power_off"]
        assert [entry.who for entry in service.audit.page()] == ["usb stick"] * 2
        assert service.longest_step_s < CALM_S
    sky.assert_whole()


def test_pulled_in_mid_copy_and_plugged_in_again_it_goes_on(large: Sky) -> None:
    with bench(large.data, large.mount, speed_mib_s=4) as service:
        service.drives.plug()
        service.run_until(lambda: bool(list(large.mount.rglob("20260131T*.jpg"))))
        service.drives.pull()
        service.run_until(lambda: service.job.state is JobState.WAITING)
        assert children(os.getpid()) == []
        assert [issue.key for issue in service.board.issues] == ["export.stick"]
        copied = len(list(large.mount.rglob("20260131T*.jpg")))
        assert 0 < copied < 30
        service.drives.plug()
        service.run_until(lambda: service.is_over)
        assert len(service.jobs.recent()) == 1
        assert service.job.state is JobState.DONE
        assert service.board.issues == ()
    large.assert_whole()


def test_a_child_that_hangs_is_given_up_and_nothing_waits_for_it(large: Sky) -> None:
    with bench(large.data, large.mount, speed_mib_s=4, silent_s=3) as service:
        service.drives.plug()
        service.run_until(lambda: large.night("2026-01-31").exists())
        (child,) = children(os.getpid())
        os.kill(child, signal.SIGSTOP)
        service.run_until(lambda: service.is_over)
        assert service.job.state is JobState.FAILED
        assert "does not answer" in service.job.message
        assert "export.stick" in [issue.key for issue in service.board.issues]
        assert service.drives.calls == ["mount", "unmount force"]
        assert children(os.getpid()) == []
        assert service.longest_step_s < CALM_S
        service.drives.pull()
        service.run(5)
        service.drives.plug()
        service.run_until(lambda: service.is_over and service.job.id == 2)
        assert service.job.state is JobState.DONE
    large.assert_whole()


def test_a_child_that_the_machine_killed_is_a_failure_and_the_next_plugging_in_goes_on(large: Sky) -> None:
    with bench(large.data, large.mount, speed_mib_s=4) as service:
        service.drives.plug()
        service.run_until(lambda: large.night("2026-01-31").exists())
        (child,) = children(os.getpid())
        os.kill(child, signal.SIGKILL)
        service.run_until(lambda: service.is_over)
        assert service.job.state is JobState.FAILED
        service.drives.pull()
        service.run(5)
        service.drives.plug()
        service.run_until(lambda: service.is_over and service.job.id == 2)
    large.assert_whole()


def test_stop_keeps_what_is_there_with_a_true_manifest(large: Sky) -> None:
    with bench(large.data, large.mount, speed_mib_s=4) as service:
        service.drives.plug()
        service.run_until(lambda: bool(list(large.mount.rglob("20260131T*.jpg"))))
        service.jobs.request_stop(service.job.id)
        service.run_until(lambda: service.is_over)
        assert service.job.state is JobState.STOPPED
        assert large.assert_manifests_true() == 1
        assert service.drives.calls == ["mount", "unmount", "power_off"]


def test_a_job_survives_the_death_of_the_whole_program(large: Sky) -> None:
    command = [sys.executable, "-m", "tests.integration.export.lonely", str(large.data), str(large.mount)]
    with bench(large.data, large.mount, speed_mib_s=4):
        pass  # makes the database
    with subprocess.Popen(command, cwd=Path(__file__).parents[3]) as lonely:
        deadline = time.monotonic() + 60
        while not large.night("2026-01-31").exists():
            assert time.monotonic() < deadline
            assert lonely.poll() is None
            time.sleep(0.01)
        (child,) = children(lonely.pid)
        lonely.kill()
    while Path(f"/proc/{child}").exists():
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with bench(large.data, large.mount) as service:
        assert service.job.state is JobState.WAITING
        service.drives.plug()
        service.run_until(lambda: service.is_over)
        assert (service.job.id, service.job.state) == (1, JobState.DONE)
        assert [entry.detail.split(":")[0] for entry in reversed(service.audit.page())] == [
            "job 1 began", "job 1 began", "job 1 ended, done",
        ]  # fmt: skip
    large.assert_whole(*NIGHTS)


BACKUP = "nightjar-roof-2026-01-31-221500.nightjar-backup"


def test_an_ordered_backup_goes_to_the_stick_first_is_kept_here_no_longer_and_the_nights_follow(sky: Sky) -> None:
    with bench(sky.data, sky.mount) as service:
        Outgoing(DataFolder(sky.data)).put(BACKUP, b"sealed")
        service.jobs.queue(JOB_KIND, ExportRequest(FS_ID, "ada", backup=BACKUP).to_json())
        service.drives.plug()
        service.run_until(lambda: service.job.id == 2 and service.is_over)
        assert [job.state for job in service.jobs.recent()] == [JobState.DONE] * 2
        assert service.drives.calls == ["mount", "unmount", "mount", "unmount", "power_off"]
        told = [entry.detail for entry in reversed(service.audit.page())]
        assert told[0] == f"job 1 began: stick HOLIDAY ({FS_ID}), the backup {BACKUP}"
        assert told[1].startswith("job 1 ended, done: 1 file copied")
    assert [path.read_bytes() for path in sky.mount.rglob("*.nightjar-backup")] == [b"sealed"]
    assert list((sky.data / "outgoing").iterdir()) == []
    sky.assert_whole()


def test_a_backup_on_its_way_ends_when_its_stick_is_let_go(sky: Sky) -> None:
    with bench(sky.data, sky.mount, speed_mib_s=1) as service:
        Outgoing(DataFolder(sky.data)).put(BACKUP, b"sealed" * 1_000_000)
        service.jobs.queue(JOB_KIND, ExportRequest(FS_ID, "ada", backup=BACKUP).to_json())
        service.drives.plug()
        service.run_until(lambda: any(part.stat().st_size for part in sky.mount.rglob("*.part")))
        service.commands.put(EjectStick(FS_ID))
        service.run_until(lambda: service.is_over)
        service.run(5)
        assert (service.job.id, service.job.state) == (1, JobState.STOPPED)
        assert service.drives.calls == ["mount", "unmount", "power_off"]
    assert list(sky.mount.rglob("*.nightjar-backup")) == []
    assert list((sky.data / "outgoing").iterdir()) == []


def test_a_backup_whose_job_was_stopped_while_it_waited_is_removed_at_the_next_start(sky: Sky) -> None:
    names = [f"nightjar-roof-2026-01-31-22150{number}.nightjar-backup" for number in range(2)]
    outgoing = Outgoing(DataFolder(sky.data))
    with bench(sky.data, sky.mount) as service:
        for name in names:
            outgoing.put(name, b"sealed")
            service.jobs.queue(JOB_KIND, ExportRequest(FS_ID, "ada", backup=name).to_json())
        service.jobs.request_stop(1)
    with bench(sky.data, sky.mount):
        assert [path.name for path in (sky.data / "outgoing").iterdir()] == names[1:]
