"""The real child process on a folder: copying, going on after a kill, what it leaves alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.domain.stick import ExportKind
from appliance.export.messages import Looked, Outcome, Progress
from appliance.export.watched import child_command
from tests.integration.export.sky import DEVICE, NIGHTS, Sky, done, summary, toml

pytestmark = pytest.mark.needs("sha256sum")


def test_every_night_is_copied_and_verifies_and_a_second_run_has_nothing_to_do(sky: Sky) -> None:
    events = sky.events()
    assert isinstance(events[0], Looked)
    assert not events[0].has_request
    assert summary(events[-1]) == done(33)  # type: ignore[arg-type]
    sky.assert_whole()
    before = {path: path.stat().st_mtime_ns for path in sky.mount.rglob("*") if path.is_file()}
    assert summary(sky.copy()) == done(0)
    assert {path: path.stat().st_mtime_ns for path in sky.mount.rglob("*") if path.is_file()} == before


def test_a_picture_keeps_its_time(sky: Sky) -> None:
    source = next((sky.data / "nights" / NIGHTS[0] / "frames").iterdir())
    os.utime(source, (1_700_000_000, 1_700_000_000))
    sky.copy()
    assert next(sky.mount.rglob(source.name)).stat().st_mtime == 1_700_000_000


def test_a_night_that_grew_is_completed_the_next_time(sky: Sky) -> None:
    sky.copy()
    sky.add("2026-01-31", 5, first=11)
    sky.add("2026-02-01", 2)
    assert summary(sky.copy()) == done(5 + 1 + 3)  # the keogram has grown too
    sky.assert_whole(*NIGHTS, "2026-02-01")


def test_a_product_that_changed_and_kept_its_size_is_copied_again(sky: Sky) -> None:
    sky.copy()
    (sky.data / "nights/2026-01-30/products/keogram.jpg").write_bytes(b"x" * 20_000)
    assert summary(sky.copy()) == done(1)
    sky.assert_whole()


def test_what_the_appliance_has_removed_stays_on_the_stick_with_its_line(sky: Sky) -> None:
    sky.copy()
    kept = sky.found("2026-01-31")
    for path in (sky.data / "nights/2026-01-31/frames").iterdir():
        path.unlink()
    sky.add("2026-01-31", 1, first=50)
    assert summary(sky.copy()) == done(2)
    assert sky.found("2026-01-31").keys() > kept.keys() - {"products/keogram.jpg"}
    assert sky.assert_manifests_true() == 3


def test_the_newest_night_comes_first_and_in_it_the_newest_picture(sky: Sky) -> None:
    sky.add("2026-01-31", 40, size=400_000)
    with sky.child(speed_bytes_s=8 << 20) as child:
        while not list(sky.mount.rglob("20260131T*.jpg")):
            assert child.poll() is None
            time.sleep(0.02)
    assert not sky.night("2026-01-30").exists()
    newest = max(path.name for path in (sky.data / "nights/2026-01-31/frames").iterdir())
    assert max(path.name for path in sky.mount.rglob("20260131T*.jpg")) == newest


def test_nights_kinds_and_numbers_are_chosen(sky: Sky) -> None:
    (sky.data / "nights/2026-01-30/products/night.mp4").write_bytes(b"a film")
    assert summary(sky.copy(nights=("2026-01-30", "1999-01-01"), kinds=(ExportKind.FILMS,))) == done(1)
    assert sky.found("2026-01-30") == {"products/night.mp4": b"a film"}
    assert summary(sky.copy(newest=1, kinds=(ExportKind.PRODUCTS,))) == done(1)
    assert {path.name for path in (sky.mount / "nightjar").glob("*/*")} == {"2026-01-30", "2026-01-31"}
    sky.assert_manifests_true()


def test_the_stick_narrows_what_is_copied_and_only_where_it_may(sky: Sky) -> None:
    (sky.mount / "nightjar-export.toml").write_text(toml(nights="latest", kinds=["products"]))
    events = sky.events(is_look_only=True, kinds=())
    assert isinstance(events[0], Looked)
    assert events[0].has_request
    assert not (sky.mount / "nightjar").exists()
    assert summary(sky.copy()) == done(1)
    assert summary(sky.copy(reads_request=False)) == done(32)


@pytest.mark.parametrize("text", ["nights = [", toml(command="sh"), toml(nights=["../.."]), "x" * 4097])
def test_a_request_that_cannot_be_followed_copies_nothing(sky: Sky, text: str) -> None:
    (sky.mount / "nightjar-export.toml").write_text(text)
    end = sky.copy()
    assert end.outcome is Outcome.BAD_REQUEST
    assert end.detail.startswith("nightjar-export.toml")
    assert not (sky.mount / "nightjar").exists()


def test_killed_in_mid_copy_at_twenty_moments_it_goes_on_and_every_manifest_is_true_all_the_time(tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    sky = Sky(tmp_path / "data", tmp_path / "stick")
    for night in NIGHTS:
        sky.add(night, 60, size=700_000)
    leftovers = 0
    for turn in range(20):
        if turn % 5 == 4:
            sky.add(NIGHTS[2], 1, size=700_000, first=100 + turn)  # also the keogram changes under it
        with sky.child(speed_bytes_s=10 << 20) as child:
            assert child.stdout is not None
            child.stdout.readline()  # it has looked
            time.sleep(sky.chance.uniform(0.0, 0.8))
            assert child.poll() is None, "the copying was over before it could be killed"
        leftovers += len(list(sky.mount.rglob("*.part")))
        sky.assert_manifests_true()
    assert leftovers > 5, "hardly a kill fell into a file"
    sky.copy()
    sky.assert_whole()


def test_asked_to_stop_it_keeps_what_it_has(sky: Sky) -> None:
    sky.add("2026-01-31", 60, size=700_000)
    with sky.child(speed_bytes_s=10 << 20) as child:
        sky.wait_for_night("2026-01-31")
        time.sleep(0.5)
        child.send_signal(signal.SIGTERM)
        output, _ = child.communicate(timeout=60)
    assert b'"outcome": "stopped"' in output
    assert sky.assert_manifests_true() == 1
    assert not list(sky.mount.rglob("*.part")) or (sky.mount / "nightjar" / "roof-7K3M9QXD" / "copying.part").exists()
    assert len((sky.night("2026-01-31") / "SHA256SUMS").read_text().splitlines()) == len(sky.found("2026-01-31"))


def test_a_file_that_rotted_to_another_size_is_copied_again(sky: Sky) -> None:
    sky.copy()
    victim = next(sky.mount.rglob("20260130T*.jpg"))
    victim.write_bytes(b"short")
    next(sky.mount.rglob("20260129T*.jpg")).unlink()
    assert summary(sky.copy()) == done(2)
    sky.assert_whole()


def test_a_manifest_that_was_lost_or_spoilt_costs_only_work(sky: Sky) -> None:
    sky.copy()
    (sky.night("2026-01-31") / "SHA256SUMS").unlink()
    (sky.night("2026-01-30") / "SHA256SUMS").write_bytes(os.urandom(3000))
    assert summary(sky.copy()) == done(22)
    sky.assert_whole()


def test_a_night_that_is_removed_while_it_is_copied_is_passed_over(sky: Sky) -> None:
    sky.add("2026-01-31", 60, size=400_000)
    with sky.child(speed_bytes_s=5 << 20) as child:
        sky.wait_for_night("2026-01-31")
        for night in ("2026-01-31", "2026-01-29"):
            (sky.data / "nights" / night).rename(sky.data / "nights" / f"removed-{night}")
        output, errors = child.communicate(timeout=60)
    assert errors == b""
    assert b'"outcome": "done"' in output
    sky.assert_manifests_true()
    sky.assert_whole("2026-01-30")


def test_it_goes_at_the_pace_it_was_given_and_tells_how_far_it_is(sky: Sky) -> None:
    sky.add("2026-01-31", 10, size=500_000)
    began = time.monotonic()
    events = sky.events(speed_bytes_s=4 << 20)
    copied = sum(len(content) for night in NIGHTS for content in sky.expected(night).values())
    assert time.monotonic() - began > 0.9 * 2 * copied / (4 << 20)  # written and read back
    steps = [event for event in events if isinstance(event, Progress)]
    assert len(steps) > 3
    assert [step.done_bytes for step in steps] == sorted(step.done_bytes for step in steps)
    assert steps[-1].total_bytes == copied


@pytest.mark.needs("ionice")
def test_started_as_the_service_does_it_gives_way_to_everybody(sky: Sky) -> None:
    sky.add("2026-01-31", 60, size=700_000)
    with sky.child(child_command(), speed_bytes_s=4 << 20) as child:
        sky.wait_for_night("2026-01-31")
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
        priority = subprocess.run(["ionice", "-p", str(child.pid)], capture_output=True, text=True, check=True).stdout
        assert priority.strip() == "idle"
        lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    high_water_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(f"memory of the child: {high_water_kib} KiB")
    assert high_water_kib < 40_000


def catches(process: int, sign: signal.Signals) -> bool:
    """Return whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (sign - 1) & 1)


@pytest.mark.needs("ionice")
def test_it_ends_with_its_parent() -> None:
    script = (
        "import subprocess, sys; print(subprocess.Popen(sys.argv[2:], stdin=int(sys.argv[1])).pid, flush=True); sys.stdin.read()"
    )
    reader, writer = os.pipe()  # held open here, so that the end of its input is not what ends it
    with subprocess.Popen(
        [sys.executable, "-c", script, str(reader), *child_command()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[reader],
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        deadline = time.monotonic() + 60
        while not catches(orphan, signal.SIGTERM):  # ionice and a Python that starts come before
            assert time.monotonic() < deadline
        parent.kill()
    while Path(f"/proc/{orphan}").exists() and "Z" not in Path(f"/proc/{orphan}/stat").read_text().rpartition(")")[2].split()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("line", [b"", b"{}\n", b"[" * 70_000, b'{"is": "task", "kinds": ["everything"]}\n'])
def test_what_is_no_task_is_not_begun(line: bytes) -> None:
    child = subprocess.run(
        [sys.executable, "-P", "-m", "appliance", "export-child"], input=line, capture_output=True, timeout=60, check=False
    )
    assert child.returncode == 1
    assert child.stdout == b""


def put_backup(sky: Sky, name: str, content: bytes) -> None:
    folder = sky.data / "outgoing"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)


def test_a_backup_is_copied_beside_the_nights_and_beside_earlier_ones_and_verifies(sky: Sky) -> None:
    names = ("nightjar-roof-2026-01-31-221500.nightjar-backup", "nightjar-roof-2026-02-01-221500.nightjar-backup")
    for number, name in enumerate(names):
        put_backup(sky, name, f"sealed {number}".encode() * 4000)
        assert summary(sky.copy(backup=name, kinds=(), reads_request=False)) == done(1)
    folder = sky.mount / "nightjar" / DEVICE / "backups"
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "SHA256SUMS"} == {
        name: f"sealed {number}".encode() * 4000 for number, name in enumerate(names)
    }
    check = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=True)
    assert check.stdout.splitlines() == [f"{name}: OK" for name in names]
    assert [path.name for path in folder.parent.iterdir()] == ["backups"]


def test_a_backup_that_is_gone_is_told_and_leaves_nothing(sky: Sky) -> None:
    ended = sky.copy(backup="nightjar-roof-2026-01-31-221500.nightjar-backup", kinds=(), reads_request=False)
    assert (ended.outcome, ended.detail) == (Outcome.NO_SOURCE, "the backup is gone, make it once more")
    assert list(sky.mount.rglob("*backup*")) == []


def test_a_name_that_is_no_backups_leads_nowhere(sky: Sky) -> None:
    put_backup(sky, "secret", b"x")
    ended = sky.copy(backup="../keys/vault.key", kinds=(), reads_request=False)
    assert ended.outcome is Outcome.NO_SOURCE
    assert list(sky.mount.rglob("vault*")) == []
