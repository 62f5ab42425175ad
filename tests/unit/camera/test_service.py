"""The camera service with parts that do what a test tells them: what it counts, when it waits, what it tries."""

import pytest

from appliance.camera.ladder import PATIENCE_S, Rung
from appliance.domain.commands import PauseCapture, ReconnectCamera, ResumeCapture
from appliance.domain.errors import CameraError, CameraLostError, FitsError
from tests.unit.camera.scripted import ScriptedCamera, Stage, settings


def balance(stage: Stage) -> int:
    """Return how many exposures are under way."""
    status = stage.status.value
    return status.started - status.received - status.dropped


def test_an_exposure_starts_only_while_the_mailbox_has_room() -> None:
    stage = Stage()
    stage.steps(50)
    assert len(stage.camera.started) == 2 == len(stage.frames)
    assert stage.status.value.state == "waiting"
    stage.frames.take(0)
    stage.steps(10)
    assert len(stage.camera.started) == 3
    assert stage.frames.dropped == 0
    assert balance(stage) == 0


def test_the_period_runs_from_start_to_start_by_the_monotonic_clock() -> None:
    stage = Stage(period_s=15)
    stage.receive()
    assert stage.receive(4) == pytest.approx(60, abs=1.5)


def test_a_late_start_keeps_the_beat_and_a_very_late_one_makes_no_burst() -> None:
    stage = Stage(period_s=10)
    stage.receive()
    stage.clock.seconds += 13
    stage.receive()
    assert stage.receive() == pytest.approx(7, abs=1.5)
    stage.clock.seconds += 1000
    stage.receive()
    assert stage.receive() == pytest.approx(10, abs=1.5)


def test_a_shorter_period_counts_at_once() -> None:
    stage = Stage(period_s=3600)
    stage.receive()
    stage.steps(3)
    stage.settings.publish(settings(period_s=5))
    assert stage.receive() < 6


def test_the_next_picture_is_announced_for_when_it_should_be_there() -> None:
    stage = Stage(period_s=15, duration_s=4)
    stage.receive()
    stage.until(lambda: stage.status.value.state == "waiting")
    expected = stage.status.value.next_expected_at
    assert expected is not None
    stage.steps(3)
    assert stage.status.value.next_expected_at == expected, "waiting announces no new moment"
    assert 15 <= (expected - stage.clock.now()).total_seconds() + 3 < 25


def test_a_pause_finishes_the_exposure_and_survives_a_new_service() -> None:
    stage = Stage()
    stage.receive()
    stage.commands.put(PauseCapture())
    stage.until(lambda: stage.status.value.state == "paused")
    assert balance(stage) == 0
    stage.service.close()
    stage.service = stage.make()
    stage.service.open()
    count = stage.status.value.started
    stage.steps(20)
    assert stage.status.value.started == count
    stage.commands.put(ResumeCapture())
    stage.receive()


def test_a_failed_exposure_is_counted_and_the_next_goes_on() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.script.append(CameraError("the driver says that the exposure failed"))
    stage.receive()
    assert stage.status.value.dropped == 1
    assert len(stage.cameras) == 1, "one failure is no reason for a new connection"
    assert stage.issues == set()


def test_an_exposure_that_does_not_end_is_stopped_first() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.script.extend([None] * 17)
    stage.until(lambda: "camera.hung" in stage.issues)
    stage.receive()
    assert len(stage.cameras) == 1
    assert stage.issues == set()
    assert stage.status.value.dropped == 1


def test_a_driver_that_does_not_answer_is_connected_anew_then_restarted_then_the_server() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.confirms_abort = False
    stage.camera.script.extend([None] * 40)

    def wait_for_ever(camera: ScriptedCamera) -> None:
        camera.waits_for = "a camera"

    stage.prepared = wait_for_ever
    seconds = stage.until(lambda: "restart" in stage.host.asked)
    assert stage.host.asked == ["start", "stop indi_scripted", "start indi_scripted", "restart"]
    assert seconds < 100
    assert stage.issues == {"camera.hung", "camera.absent"}
    stage.until(lambda: stage.host.asked.count("restart") == 3, steps=2000)
    assert stage.status.value.state == "absent"
    stage.prepared = lambda camera: None
    stage.camera.waits_for = None
    stage.receive()
    assert stage.issues == set()
    assert balance(stage) == 0


@pytest.mark.parametrize(
    ("camera", "title"),
    [
        ({}, "No pictures: no driver is chosen for the camera"),
        ({"transport": "remote", "remote_host": "192.0.2.7"}, "No pictures: a camera"),
    ],
)
def test_without_a_driver_it_is_said_that_one_has_to_be_chosen(camera: dict[str, object], title: str) -> None:
    stage = Stage(**camera)
    stage.host.drivers = ()
    stage.prepared = lambda camera: setattr(camera, "waits_for", "a camera")
    stage.service.close()
    stage.service = stage.make()
    stage.service.open()
    stage.until(lambda: "camera.absent" in stage.issues, steps=2000)
    assert [issue.title for issue in stage.board.issues] == [title]
    began, before = stage.clock.seconds, list(stage.host.asked)
    stage.until(lambda: stage.clock.seconds - began > 600, steps=5000)
    assert stage.host.asked == before, "a server that has nothing to run is left alone"
    stage.host.is_running = False
    if camera:
        stage.steps(100)
        assert stage.host.asked == before, "and another computer's in any case"
    else:
        stage.until(lambda: "restart" in stage.host.asked, steps=2000)


def test_a_camera_that_gets_on_is_not_restarted_while_it_does() -> None:
    stage = Stage()
    stage.prepared = lambda camera: setattr(camera, "waits_for", "a camera")
    began = stage.clock.seconds
    stage.until(lambda: stage.clock.seconds - began > PATIENCE_S[Rung.RECONNECT] - 2)
    stage.camera.waits_for = "connecting Scripted"
    stage.until(lambda: stage.clock.seconds - began > 2 * PATIENCE_S[Rung.RECONNECT] - 4)
    stage.camera.waits_for = None
    stage.receive()
    assert len(stage.cameras) == 1
    assert stage.host.asked == ["start"]


def test_a_camera_that_only_comes_and_goes_is_restarted() -> None:
    stage = Stage()
    stage.prepared = lambda camera: setattr(camera, "waits_for", "a camera")
    began, turn = stage.clock.seconds, 0
    while "restart" not in stage.host.asked:
        stage.steps(5)
        turn += 1
        stage.camera.waits_for = ("a camera", "connecting Scripted")[turn % 2]
    assert stage.clock.seconds - began < 120


def test_a_lost_connection_costs_one_exposure() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.script.append(CameraLostError("gone"))
    stage.receive()
    assert len(stage.cameras) == 2
    assert stage.cameras[0].is_closed
    assert stage.status.value.dropped == 1
    assert stage.host.asked == ["start"]


def test_a_server_that_has_ended_is_restarted_at_once() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.script.append(CameraLostError("gone"))
    stage.host.is_running = False
    stage.until(lambda: "restart" in stage.host.asked)


def test_a_host_that_fails_is_asked_again() -> None:
    stage = Stage()
    stage.receive()
    stage.host.fails = True
    stage.host.is_running = False
    stage.prepared = lambda camera: setattr(camera, "waits_for", "a camera")
    stage.camera.script.append(CameraLostError("gone"))
    stage.until(lambda: stage.host.asked.count("restart") == 3)


def test_a_remote_server_is_never_restarted() -> None:
    stage = Stage(transport="remote", remote_host="observatory.local")
    stage.prepared = lambda camera: setattr(camera, "waits_for", "a camera")
    stage.steps(400)
    assert stage.host.asked == []
    assert "observatory.local" in stage.board.issues[0].advice


def test_bad_frames_raise_an_issue_and_cost_growing_pauses() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.script.extend([FitsError("truncated")] * 4)
    stage.until(lambda: "camera.frame" in stage.issues)
    assert stage.receive() > 0.5 + 1 + 1.5
    assert stage.status.value.dropped == 4
    assert len(stage.cameras) == 1
    assert stage.issues == set()


def test_after_five_bad_frames_the_camera_is_set_up_anew() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.script.extend([FitsError("truncated")] * 5)
    stage.receive()
    assert len(stage.cameras) == 2


@pytest.mark.parametrize("other", [{"device": "Another"}, {"driver": "indi_asi_ccd"}])
def test_another_device_or_driver_in_the_settings_is_looked_for_at_once(other: dict[str, object]) -> None:
    stage = Stage()
    stage.receive()
    stage.settings.publish(settings(**other))
    stage.receive()
    assert stage.host.asked == ["start", "start"]
    assert len(stage.cameras) == 2
    assert stage.cameras[0].is_closed


def test_another_exposure_in_the_settings_is_no_reason_for_a_new_camera() -> None:
    stage = Stage()
    stage.receive()
    stage.settings.publish(settings(duration_s=2))
    stage.receive(2)
    assert len(stage.cameras) == 1
    assert stage.camera.started[-1].duration_s == 2


def test_the_next_exposure_answers_to_the_last_frame() -> None:
    stage = Stage(is_automatic=True)
    stage.receive()
    stage.camera.level = 100
    stage.receive(3)
    durations = [exposure.duration_s for exposure in stage.camera.started]
    assert durations[0] < durations[2] < durations[3]


def test_a_person_may_ask_for_everything_to_be_restarted() -> None:
    stage = Stage()
    stage.receive()
    stage.commands.put(ReconnectCamera())
    stage.until(lambda: "restart" in stage.host.asked)
    stage.receive()


def test_close_stops_the_exposure_and_leaves_the_server_to_its_maker() -> None:
    stage = Stage()
    stage.receive()
    stage.camera.script.extend([None] * 5)
    stage.until(lambda: stage.camera.exposing is not None)
    stage.service.close()
    assert stage.camera.is_closed
    assert balance(stage) == 0
    assert "close" not in stage.host.asked


def test_while_the_exposure_is_far_off_nobody_waits_a_period_for_the_next() -> None:
    stage = Stage(period_s=300, is_automatic=True, duration_min_s=0.001, duration_max_s=60)

    def see_nothing(camera: ScriptedCamera) -> None:
        camera.level = 20

    stage.prepared = see_nothing
    stage.receive()
    assert stage.receive(2) < 10, "black frames: the next exposure is much longer, and comes at once"
    stage.until(lambda: stage.camera.started[-1].duration_s == 60)
    stage.receive()
    assert stage.receive() > 250, "as long as it may be: the period counts again"


def test_a_frame_tells_what_its_gain_multiplied() -> None:
    stage = Stage(gain=200)
    stage.until(lambda: len(stage.frames) == 1)
    frame = stage.frames.take(0)
    assert frame is not None
    assert frame.gain_factor == pytest.approx(10), "200 tenths of a decibel are a factor of ten"
