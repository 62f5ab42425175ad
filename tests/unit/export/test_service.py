"""The export service: which sticks are filled, what is told, and what a bad stick costs."""

import json

import pytest

from appliance.domain.errors import DeniedError, MachineError, UnavailableError
from appliance.domain.job import JobState
from appliance.domain.night import NightId
from appliance.domain.stick import JOB_KIND, EjectStick, ExportKind, ExportRequest, StickState
from appliance.export.messages import Ended, Looked, Outcome, Progress
from tests.unit.export.conftest import Bench
from tests.unit.export.volumes import FakeVolume

FS_ID = "1234-ABCD"
GIB = 1 << 30


def confirm(bench: Bench) -> None:
    bench.sticks.confirm(FS_ID, "HOLIDAY", "ada")


def begin(bench: Bench) -> None:
    """Plug in a confirmed stick and wait until the child works on it."""
    confirm(bench)
    bench.drives.plug()
    bench.run()
    assert bench.child.is_alive
    assert bench.stick.state is StickState.EXPORTING


class TestWhoIsFilled:
    def test_a_stick_that_nobody_confirmed_is_offered_and_not_even_mounted(self, bench: Bench) -> None:
        bench.drives.plug(FakeVolume(label="NIGHTJAR"))
        bench.run()
        assert (bench.stick.state, bench.stick.is_confirmed, bench.stick.is_safe_to_remove) == (StickState.OFFERED, False, True)
        assert bench.drives.calls == []
        assert bench.jobs.recent() == []

    def test_confirmed_it_fills_itself_is_unmounted_and_switched_off(self, bench: Bench) -> None:
        begin(bench)
        assert bench.stick.is_confirmed
        assert not bench.stick.is_safe_to_remove
        assert bench.stick.job_id == bench.job.id
        (task,) = bench.child.tasks
        assert (task.mount, task.folder, task.fs_type) == ("/run/media/nightjar/x", "roof-7K3M9QXD", "exfat")
        assert task.kinds == tuple(ExportKind)
        assert (task.nights, task.newest, task.reads_request, task.is_look_only) == ((), 0, True, False)
        assert task.speed_bytes_s == 20 << 20
        bench.child.finish()
        bench.run()
        assert bench.drives.done() == ["mount", "unmount", "power_off"]
        assert (bench.stick.state, bench.stick.is_safe_to_remove) == (StickState.DONE, True)
        assert bench.stick.reason == "3 files copied (2.9 KiB)."
        assert (bench.job.state, bench.job.message) == (JobState.DONE, "3 files copied (2.9 KiB).")
        assert bench.issues == []

    def test_confirming_while_it_is_plugged_in_is_enough(self, bench: Bench) -> None:
        bench.drives.plug()
        bench.run()
        confirm(bench)
        bench.run()
        assert bench.stick.state is StickState.EXPORTING

    def test_it_fills_itself_once_for_each_plugging_in(self, bench: Bench) -> None:
        bench.drives.powers_off = False
        begin(bench)
        bench.child.finish()
        bench.run(200)
        assert len(bench.child.tasks) == 1
        bench.drives.pull()
        bench.run()
        bench.drives.plug()
        bench.run()
        assert len(bench.child.tasks) == 2

    def test_the_settings_say_what_is_copied(self, bench: Bench) -> None:
        bench.set(pictures=False, nights=3, speed_mib_s=2)
        begin(bench)
        (task,) = bench.child.tasks
        assert (task.kinds, task.newest, task.speed_bytes_s) == ((ExportKind.PRODUCTS, ExportKind.FILMS), 3, 2 << 20)

    def test_where_everything_is_turned_off_nothing_is_mounted(self, bench: Bench) -> None:
        bench.set(pictures=False, products=False, films=False)
        confirm(bench)
        bench.drives.plug()
        bench.run()
        assert bench.stick.state is StickState.FAILED
        assert "turned off" in bench.stick.reason
        assert bench.drives.calls == []

    def test_a_label_is_enough_only_while_the_setting_is_on(self, bench: Bench) -> None:
        bench.set(any_labelled_stick=True)
        bench.drives.plug(FakeVolume(label="nightjar 1"))
        bench.run()
        assert bench.stick.state is StickState.EXPORTING
        assert not bench.stick.is_confirmed

    def test_a_request_on_the_stick_is_looked_for_read_only_and_only_while_the_setting_is_on(self, bench: Bench) -> None:
        bench.set(any_labelled_stick=True)
        bench.drives.plug()
        bench.run(4)
        assert bench.child.tasks[0].is_look_only
        assert "ro" in bench.drives.calls[0]
        bench.child.finish(has_request=True)
        bench.run()
        assert "ro" not in bench.drives.calls[-1]
        assert bench.drives.done() == ["mount", "unmount", "mount"]
        assert bench.stick.state is StickState.EXPORTING
        assert not bench.child.tasks[1].is_look_only

    def test_a_stick_without_a_request_is_looked_at_once_and_offered(self, bench: Bench) -> None:
        bench.set(any_labelled_stick=True)
        bench.drives.plug()
        bench.run(4)
        bench.child.finish(has_request=False)
        bench.run(100)
        assert bench.drives.done() == ["mount", "unmount"]
        assert (bench.stick.state, bench.stick.is_safe_to_remove) == (StickState.OFFERED, True)
        assert bench.jobs.recent() == []

    def test_a_request_that_cannot_be_followed_is_told(self, bench: Bench) -> None:
        bench.set(any_labelled_stick=True)
        bench.drives.plug()
        bench.run(4)
        bench.child.say(Ended(Outcome.BAD_REQUEST, "nightjar-export.toml is not TOML."))
        bench.run(20)
        assert bench.stick.state is StickState.FAILED
        assert bench.stick.reason.startswith("nightjar-export.toml is not TOML. Correct")
        assert bench.issues == ["export.stick"]
        assert len(bench.child.tasks) == 1

    def test_a_setting_turned_off_meanwhile_ends_what_waits(self, bench: Bench) -> None:
        bench.set(any_labelled_stick=True)
        bench.drives.plug(FakeVolume(label="NIGHTJAR"))
        bench.run(2)
        bench.drives.pull()
        bench.run()
        bench.set(any_labelled_stick=False)
        bench.drives.plug(FakeVolume(label="NIGHTJAR"))
        bench.run()
        assert bench.job.state is JobState.STOPPED
        assert bench.stick.state is StickState.OFFERED

    @pytest.mark.parametrize(
        "volume",
        [FakeVolume(connection_bus="sdio"), FakeVolume(fs_type="ntfs"), FakeVolume(uuid=""), FakeVolume(mount_points=("/x",))],
    )
    def test_what_the_policy_refuses_is_never_mounted_whoever_confirmed_it(self, bench: Bench, volume: FakeVolume) -> None:
        confirm(bench)
        bench.set(any_labelled_stick=True)
        bench.jobs.queue(JOB_KIND, ExportRequest(FS_ID, "ada").to_json())
        bench.commands.put(EjectStick(FS_ID))
        bench.drives.plug(volume)
        bench.run(20)
        assert bench.stick.state is StickState.REFUSED
        assert bench.stick.reason
        assert bench.drives.calls == []

    def test_of_two_with_one_id_neither_is_filled_until_one_is_pulled(self, bench: Bench) -> None:
        confirm(bench)
        bench.drives.plug()
        bench.drives.plug(FakeVolume(object_path="/block/sdb1", drive_path="/drives/twin"))
        bench.run()
        assert [stick.state for stick in bench.published.value] == [StickState.REFUSED] * 2
        bench.drives.pull("/block/sdb1")
        bench.run()
        assert bench.stick.state is StickState.EXPORTING

    def test_a_twin_that_comes_later_does_not_disturb_the_one_in_work(self, bench: Bench) -> None:
        begin(bench)
        bench.drives.plug(FakeVolume(object_path="/block/sdb1", drive_path="/drives/twin"))
        bench.run()
        assert [stick.state for stick in bench.published.value] == [StickState.EXPORTING, StickState.REFUSED]

    def test_what_the_machine_is_made_of_is_not_shown(self, bench: Bench) -> None:
        bench.drives.plug(FakeVolume(connection_bus="", is_system_hint=True, drive_path="/drives/card"))
        bench.run()
        assert bench.published.value == ()

    def test_one_after_the_other(self, bench: Bench) -> None:
        bench.sticks.confirm("5678-EF01", "other", "ada")
        begin(bench)
        bench.drives.plug(FakeVolume(object_path="/block/sdb1", drive_path="/drives/other", uuid="5678-EF01"))
        bench.drives.plug(FakeVolume(object_path="/block/sdc1", drive_path="/drives/third", uuid="9999-EF01"))
        bench.run()
        assert [stick.state for stick in bench.published.value] == [StickState.EXPORTING, StickState.BUSY, StickState.OFFERED]
        bench.child.finish()
        bench.run(10)
        assert len(bench.child.tasks) == 2
        assert bench.drives.done() == ["mount", "unmount", "power_off", "mount"]

    def test_a_drive_with_a_second_stick_on_it_stays_on_until_both_are_done(self, bench: Bench) -> None:
        bench.sticks.confirm("5678-EF01", "other", "ada")
        begin(bench)
        bench.drives.plug(FakeVolume(object_path="/block/sda2", uuid="5678-EF01"))
        bench.run()
        bench.child.finish()
        bench.run(10)
        bench.child.finish()
        bench.run(10)
        assert bench.drives.done() == ["mount", "unmount", "mount", "unmount", "power_off"]


class TestJobs:
    def test_a_person_chooses_nights_and_kinds_also_for_a_stick_that_is_not_confirmed(self, bench: Bench) -> None:
        bench.drives.plug()
        bench.run()
        request = ExportRequest(FS_ID, "ada", (NightId("2026-01-31"),), 0, (ExportKind.FILMS,))
        job = bench.jobs.queue(JOB_KIND, request.to_json())
        bench.run()
        (task,) = bench.child.tasks
        assert (task.nights, task.kinds, task.reads_request) == (("2026-01-31",), (ExportKind.FILMS,), False)
        bench.child.finish()
        bench.run()
        assert bench.job.state is JobState.DONE
        assert bench.audited() == [
            ("ada", f"job {job.id} began: stick HOLIDAY ({FS_ID}), 2026-01-31; films"),
            ("ada", f"job {job.id} ended, done: 3 files copied (2.9 KiB)."),
        ]
        assert not bench.sticks.is_confirmed(FS_ID)

    def test_a_job_waits_for_its_stick(self, bench: Bench) -> None:
        bench.jobs.queue(JOB_KIND, ExportRequest(FS_ID, "ada").to_json())
        bench.drives.plug(FakeVolume(uuid="9999-0000"))
        bench.run(20)
        assert bench.job.state is JobState.WAITING
        bench.drives.plug(FakeVolume(object_path="/block/sdb1", drive_path="/drives/b"))
        bench.run()
        assert bench.job.state is JobState.RUNNING

    def test_a_job_asked_for_meanwhile_is_done_before_the_drive_is_switched_off(self, bench: Bench) -> None:
        begin(bench)
        bench.jobs.queue(JOB_KIND, ExportRequest(FS_ID, "ada", (NightId("2026-01-31"),)).to_json())
        bench.child.finish()
        bench.run(10)
        assert bench.drives.done() == ["mount", "unmount", "mount"]
        bench.child.finish()
        bench.run(10)
        assert bench.drives.done() == ["unmount", "power_off"]
        assert [job.state for job in bench.jobs.recent()] == [JobState.DONE] * 2

    def test_a_request_that_makes_no_sense_fails(self, bench: Bench) -> None:
        bench.jobs.queue(JOB_KIND, json.dumps({"fs_id": FS_ID, "nights": ["x"]}))
        bench.drives.plug()
        bench.run()
        assert bench.job.state is JobState.FAILED
        assert bench.drives.calls == []

    def test_an_export_of_the_stick_s_own_is_audited_as_its(self, bench: Bench) -> None:
        begin(bench)
        bench.child.finish()
        bench.run()
        assert [who for who, _ in bench.audited()] == ["usb stick"] * 2
        assert "by itself" in bench.audited()[0][1]
        assert {entry.action for entry in bench.audit.page()} == {"stick.export"}

    def test_the_progress_is_told_with_the_time_left_and_not_at_every_word(self, bench: Bench) -> None:
        begin(bench)
        writes = 0
        for second in range(40):
            bench.child.say(Progress(second * 10 << 20, 400 << 20, second, 7 * GIB, "2026-01-31"))
            before = bench.job
            bench.clock.seconds += 0.3
            bench.run(1)
            writes += bench.job != before
        assert writes < 12
        assert bench.job.state is JobState.RUNNING
        assert (bench.job.total, bench.job.unit, bench.job.message) == (400 << 20, "bytes", "Night 2026-01-31")
        assert bench.job.eta_s is not None
        assert 0 < bench.job.eta_s < 20
        assert bench.stick.free_bytes == 7 * GIB

    def test_stop_is_obeyed(self, bench: Bench) -> None:
        begin(bench)
        assert bench.jobs.request_stop(bench.job.id)
        bench.run()
        assert bench.child.signals == ["stop"]
        assert bench.job.state is JobState.STOPPED
        assert bench.drives.done() == ["mount", "unmount", "power_off"]
        assert bench.stick.is_safe_to_remove
        bench.run(50)
        assert len(bench.child.tasks) == 1

    def test_a_child_that_does_not_stop_is_killed(self, bench: Bench) -> None:
        begin(bench)
        bench.child.ends_when_stopped = False
        bench.jobs.request_stop(bench.job.id)
        for _ in range(60):
            bench.child.say(Progress(1, 2, 3, 4, "2026-01-31"))
            bench.run(1)
        assert bench.child.signals == ["stop", "kill"]
        assert bench.job.state is JobState.STOPPED


class TestEject:
    def test_an_idle_stick_is_switched_off(self, bench: Bench) -> None:
        bench.drives.plug()
        bench.run()
        bench.commands.put(EjectStick(FS_ID))
        bench.run()
        assert bench.drives.done() == ["power_off"]
        assert (bench.stick.state, bench.stick.is_safe_to_remove) == (StickState.DONE, True)

    def test_one_in_work_is_stopped_first(self, bench: Bench) -> None:
        begin(bench)
        bench.commands.put(EjectStick(FS_ID))
        bench.run(10)
        assert bench.drives.done() == ["mount", "unmount", "power_off"]
        assert bench.job.state is JobState.STOPPED

    def test_one_that_is_looked_at_is_let_go_after_that(self, bench: Bench) -> None:
        bench.set(any_labelled_stick=True)
        bench.drives.plug()
        bench.run(4)
        bench.commands.put(EjectStick(FS_ID))
        bench.run(10)
        assert bench.drives.done() == ["mount", "unmount", "power_off"]

    def test_an_unknown_one_is_nothing(self, bench: Bench) -> None:
        bench.commands.put(EjectStick("9999-9999"))
        bench.run()
        assert bench.drives.calls == []


class TestPulled:
    def test_a_stick_that_is_pulled_in_mid_copy_goes_on_when_it_comes_back(self, bench: Bench) -> None:
        begin(bench)
        job = bench.job
        bench.child.say(Progress(5 << 20, 10 << 20, 5, GIB, "2026-01-31"))
        bench.run(1)
        bench.drives.pull()
        bench.run(2)
        assert bench.child.signals == ["kill"]
        assert (bench.job.state, bench.job.done) == (JobState.WAITING, 5 << 20)
        assert "pulled out" in bench.job.message
        assert bench.published.value == ()
        assert bench.issues == ["export.stick"]
        assert "unmount" not in bench.drives.done()
        bench.drives.plug()
        bench.run()
        assert bench.job.id == job.id
        assert bench.job.state is JobState.RUNNING
        assert bench.issues == []
        bench.child.finish()
        bench.run()
        assert bench.job.state is JobState.DONE
        assert [detail.split(":")[0] for _, detail in bench.audited()] == [
            f"job {job.id} {words}" for words in ("began", "interrupted", "began", "ended, done")
        ]

    def test_a_child_that_fails_a_moment_before_the_stick_is_gone_was_pulled_out_too(self, bench: Bench) -> None:
        begin(bench)
        bench.child.finish(Outcome.BROKEN, "Input/output error")
        bench.run(2)
        bench.drives.pull()
        bench.run(10)
        assert bench.job.state is JobState.WAITING

    def test_one_that_only_its_request_speaks_for_is_looked_at_again_and_goes_on(self, bench: Bench) -> None:
        bench.set(any_labelled_stick=True)
        bench.drives.plug()
        bench.run(4)
        bench.child.finish(has_request=True)
        bench.run()
        assert bench.job.state is JobState.RUNNING
        bench.drives.pull()
        bench.run()
        bench.drives.plug()
        bench.run()
        assert bench.child.tasks[-1].is_look_only
        bench.child.finish(has_request=True)
        bench.run()
        assert (len(bench.jobs.recent()), bench.job.state) == (1, JobState.RUNNING)

    def test_another_stick_under_the_same_name_is_another_stick(self, bench: Bench) -> None:
        begin(bench)
        bench.drives.pull()
        bench.drives.plug(FakeVolume(uuid="9999-0000"))
        bench.run()
        assert bench.job.state is JobState.WAITING
        assert bench.stick.state is StickState.OFFERED

    def test_a_stick_that_nobody_worked_on_is_just_gone(self, bench: Bench) -> None:
        bench.drives.plug()
        bench.run()
        bench.drives.pull()
        bench.run()
        assert bench.published.value == ()
        assert bench.issues == []

    def test_one_that_was_switched_off_is_shown_for_a_while_and_no_longer_when_it_comes_back(self, bench: Bench) -> None:
        begin(bench)
        bench.child.finish()
        bench.run(20)
        assert bench.stick.state is StickState.DONE
        bench.sticks.forget(FS_ID)
        bench.drives.plug()
        bench.run()
        assert bench.stick.state is StickState.OFFERED
        confirm(bench)
        bench.run()
        bench.child.finish()
        bench.run(20)
        bench.clock.seconds += 1800
        bench.run()
        assert bench.published.value == ()


class TestBadSticks:
    @pytest.mark.parametrize(
        ("outcome", "words"),
        [
            (Outcome.FULL, "full"),
            (Outcome.READ_ONLY, "only be read"),
            (Outcome.NOT_WRITABLE, "may not write"),
            (Outcome.IN_THE_WAY, "something else"),
            (Outcome.BROKEN, "failed"),
            (Outcome.NO_SOURCE, "this appliance"),
        ],
    )
    def test_what_goes_wrong_is_told_and_the_stick_let_go(self, bench: Bench, outcome: Outcome, words: str) -> None:
        begin(bench)
        bench.child.finish(outcome, "nightjar")
        bench.run(20)
        assert bench.job.state is JobState.FAILED
        assert words in bench.job.message
        is_refused = outcome in {Outcome.READ_ONLY, Outcome.NOT_WRITABLE}
        assert bench.stick.state is (StickState.REFUSED if is_refused else StickState.FAILED)
        assert bench.stick.is_safe_to_remove
        assert bench.drives.done() == ["mount", "unmount", "power_off"]
        (issue,) = bench.board.issues
        assert issue.key == "export.stick"
        assert "HOLIDAY" in issue.title
        assert issue.advice
        assert issue.advice in bench.stick.reason

    def test_an_issue_goes_with_the_next_export_or_after_a_day(self, bench: Bench) -> None:
        begin(bench)
        bench.child.finish(Outcome.FULL)
        bench.run(20)
        assert bench.issues == ["export.stick"]
        bench.clock.seconds += 24 * 3600
        bench.run(1)
        assert bench.issues == []

    def test_a_child_that_says_nothing_any_more_is_given_up(self, bench: Bench) -> None:
        begin(bench)
        bench.child.ends_when_killed = False
        bench.clock.seconds += 181
        bench.run(1)
        assert bench.child.signals == ["kill"]
        bench.run(20)
        assert bench.drives.done() == ["mount", "unmount force"]
        assert bench.job.state is JobState.FAILED
        assert "does not answer" in bench.job.message
        assert set(bench.issues) == {"export.stick", "export.hung"}
        bench.child.left_behind = 0
        bench.run(1)
        assert bench.issues == ["export.stick"]

    def test_a_child_that_ends_without_a_word_is_a_failure(self, bench: Bench) -> None:
        begin(bench)
        bench.child.is_alive = False
        bench.run(20)
        assert bench.job.state is JobState.FAILED
        assert "ended before its work" in bench.job.message

    def test_a_child_that_cannot_be_started_is_a_failure(self, bench: Bench) -> None:
        bench.child.cannot_start = True
        confirm(bench)
        bench.drives.plug()
        bench.run(20)
        assert bench.job.state is JobState.FAILED
        assert bench.drives.done() == ["mount", "unmount", "power_off"]

    def test_a_slow_stick_is_told_while_it_is_slow(self, bench: Bench) -> None:
        begin(bench)
        for second in range(100):
            bench.child.say(Progress(second * 1000, 10 << 20, second, GIB, "2026-01-31"))
            bench.run(1)
        assert bench.issues == ["export.slow"]
        assert "slow" in bench.board.issues[0].title
        bench.child.finish()
        bench.run()
        assert bench.issues == []

    @pytest.mark.parametrize("error", [MachineError("wrong fs type, bad option, bad superblock"), DeniedError("not allowed")])
    def test_a_mount_that_is_refused_is_told(self, bench: Bench, error: MachineError) -> None:
        bench.drives.errors["mount"] = [error]
        confirm(bench)
        bench.drives.plug()
        bench.run(20)
        assert bench.job.state is JobState.FAILED
        assert str(error) in bench.job.message
        assert bench.issues == ["export.stick"]
        assert bench.child.tasks == []

    def test_a_stick_that_cannot_be_unmounted_is_not_safe_to_remove(self, bench: Bench) -> None:
        begin(bench)
        bench.drives.errors["unmount"] = [MachineError("target is busy")] * 100
        bench.child.finish()
        bench.run(120)
        assert not bench.stick.is_safe_to_remove
        assert "switch the appliance off" in bench.stick.reason
        assert "power_off" not in bench.drives.done()

    def test_a_stick_that_somebody_else_unmounted_is_safe_to_remove(self, bench: Bench) -> None:
        begin(bench)
        bench.drives.errors["unmount"] = [MachineError("not mounted")]
        bench.drives.here = [FakeVolume()]
        bench.child.finish()
        bench.run(20)
        assert (bench.stick.state, bench.stick.is_safe_to_remove) == (StickState.DONE, True)

    def test_a_drive_that_cannot_be_switched_off_is_safe_unmounted(self, bench: Bench) -> None:
        bench.drives.errors["power_off"] = [MachineError("not supported")]
        begin(bench)
        bench.child.finish()
        bench.run(20)
        assert (bench.stick.state, bench.stick.is_safe_to_remove) == (StickState.DONE, True)

    def test_labels_cannot_break_the_page(self, bench: Bench) -> None:
        bench.drives.plug(FakeVolume(label="a\n\x1b[31m\u202eb" + "x" * 300, model="m\0"))
        bench.run()
        assert bench.stick.label == "a[31mb" + "x" * 54
        assert bench.stick.model == "m"


class TestBusAndCrash:
    def test_a_machine_without_the_service_shows_no_sticks_and_no_issue(self, bench: Bench) -> None:
        bench.drives.errors["watch"] = [UnavailableError("not available on this machine: udisks2")] * 1000
        bench.run(50)
        assert bench.published.value == ()
        assert bench.issues == []

    def test_sticks_are_seen_once_the_bus_is_there(self, bench: Bench) -> None:
        bench.drives.errors["volumes"] = [UnavailableError("no bus")] * 3
        bench.drives.plug()
        bench.run(50)
        assert bench.stick.state is StickState.OFFERED

    def test_a_bus_that_goes_away_does_not_stop_the_copying(self, bench: Bench) -> None:
        begin(bench)
        bench.drives.errors["volumes"] = [UnavailableError("no bus")] * 5
        bench.drives.errors["unmount"] = [UnavailableError("no bus")] * 3
        bench.drives.news += 1
        bench.run(3)
        assert bench.stick.state is StickState.EXPORTING
        bench.child.finish()
        bench.run(40)
        assert bench.job.state is JobState.DONE
        assert bench.stick.is_safe_to_remove

    def test_a_mount_waits_for_a_service_that_starts(self, bench: Bench) -> None:
        bench.drives.errors["mount"] = [UnavailableError("udisks2 does not answer")] * 3
        confirm(bench)
        bench.drives.plug()
        bench.run(20)
        assert bench.child.is_alive

    def test_a_mount_does_not_wait_for_ever(self, bench: Bench) -> None:
        bench.drives.errors["mount"] = [UnavailableError("udisks2 does not answer")] * 300
        confirm(bench)
        bench.drives.plug()
        bench.run(200)
        assert bench.job.state is JobState.FAILED

    def test_a_stop_of_the_appliance_puts_the_job_aside_and_the_next_start_goes_on(self, bench: Bench) -> None:
        begin(bench)
        bench.service.close()
        assert bench.child.signals == ["kill"]
        assert bench.drives.done() == ["mount", "unmount", "close"]
        assert bench.job.state is JobState.WAITING
        bench.service = bench.make()
        bench.service.open()
        bench.run()
        assert bench.job.state is JobState.RUNNING
        assert bench.child.is_alive

    def test_a_stop_does_not_wait_for_a_stick_that_does_not_answer(self, bench: Bench) -> None:
        begin(bench)
        bench.clock.seconds += 60
        bench.service.close()
        assert bench.drives.done() == ["mount", "close"]

    def test_after_a_crash_the_stick_that_was_left_mounted_is_taken_back(self, bench: Bench) -> None:
        begin(bench)
        bench.child.is_alive = False
        bench.service = bench.make()  # the former one never closed
        bench.service.open()
        bench.run(10)
        assert bench.drives.done() == ["mount", "unmount", "mount"]
        assert bench.job.state is JobState.RUNNING
        assert len(bench.jobs.recent()) == 1

    def test_a_stick_that_others_mounted_is_not_taken(self, bench: Bench) -> None:
        confirm(bench)
        bench.drives.plug(FakeVolume(mount_points=("/media/me/HOLIDAY",)))
        bench.run(20)
        assert bench.drives.calls == []
        assert bench.stick.state is StickState.REFUSED

    def test_what_was_looked_at_is_told_once(self, bench: Bench) -> None:
        begin(bench)
        bench.child.say(Looked(5 * GIB, has_request=False))
        bench.run()
        revision = bench.published.revision
        bench.run(10)
        assert bench.published.revision == revision
        assert bench.stick.free_bytes == 5 * GIB
