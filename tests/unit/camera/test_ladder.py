"""The ladder of recovery has four rungs, and no end."""

from appliance.camera.ladder import PATIENCE_LATER_S, PATIENCE_S, THINGS_MAX, Ladder, Rung, Waiting


def test_every_rung_is_climbed_and_then_it_begins_again_with_a_new_connection() -> None:
    ladder, rungs = Ladder(), []
    for _ in range(9):
        ladder = ladder.up()
        rungs.append(ladder.rung)
    circle = [Rung.RECONNECT, Rung.RESTART_DRIVER, Rung.RESTART_SERVER]
    assert rungs == [Rung.ABORT, *circle, *circle, Rung.RECONNECT, Rung.RESTART_DRIVER]


def test_on_the_ground_nothing_was_tried() -> None:
    assert Ladder().rung is None


def test_rungs_that_cannot_help_are_left_out() -> None:
    assert Ladder().up(Rung.RECONNECT).rung is Rung.RECONNECT
    assert Ladder().up(Rung.RESTART_SERVER).rung is Rung.RESTART_SERVER


def test_a_ladder_never_goes_down_before_the_top() -> None:
    assert Ladder().up(Rung.RESTART_DRIVER).up(Rung.RECONNECT).rung is Rung.RESTART_SERVER


def test_all_rungs_together_take_less_than_two_minutes_and_later_rounds_are_slower() -> None:
    assert sum(PATIENCE_S.values()) < 100
    assert Ladder(7).patience_s == PATIENCE_LATER_S
    assert Ladder(2).patience_s == PATIENCE_S[Rung.RECONNECT]


def test_waiting_begins_anew_with_each_new_thing_and_with_no_old_one() -> None:
    waiting = Waiting(100.0).on("a camera", 101.0)
    assert waiting.since_s == 101
    assert waiting.on("a camera", 110.0) == waiting
    connecting = waiting.on("connecting", 110.0)
    assert connecting.since_s == 110
    assert connecting.on("a camera", 120.0) == connecting


def test_a_camera_that_calls_itself_differently_each_time_gains_no_more_than_a_few_patiences() -> None:
    waiting = Waiting(0.0)
    for second in range(100):
        waiting = waiting.on(f"connecting {second}", second)
    assert waiting.since_s == THINGS_MAX - 1
