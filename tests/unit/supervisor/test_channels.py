"""Mailboxes drop their oldest and count it; published values wake who waits."""

import threading

import pytest

from appliance.supervisor.channels import Mailbox, Published


def test_a_full_mailbox_drops_its_oldest_and_counts() -> None:
    box: Mailbox[int] = Mailbox("box", 2)
    for item in (1, 2, 3):
        box.put(item)
    assert [box.take(0), box.take(0), box.take(0)] == [2, 3, None]
    assert box.dropped == 1


def test_room_is_told_before_a_put() -> None:
    box: Mailbox[int] = Mailbox("box", 1)
    assert box.has_room
    box.put(1)
    assert not box.has_room
    assert (box.health.depth, box.health.capacity, box.health.dropped) == (1, 1, 0)


def test_clearing_is_not_dropping() -> None:
    box: Mailbox[int] = Mailbox("box", 2)
    box.put(1)
    assert box.clear() == 1
    assert (len(box), box.dropped) == (0, 0)


def test_a_mailbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0"):
        Mailbox("box", 0)


def test_take_wakes_for_an_item_put_by_another_thread() -> None:
    box: Mailbox[int] = Mailbox("box", 1)
    thread = threading.Timer(0.05, box.put, [7])
    thread.start()
    assert box.take(10) == 7
    thread.join()


def test_a_published_value_grows_its_revision() -> None:
    state: Published[str] = Published("a")
    assert (state.value, state.revision) == ("a", 0)
    state.publish("b")
    assert state.wait(seen=0, timeout=0) == ("b", 1)
    assert state.wait(seen=1, timeout=0) == ("b", 1)


def test_waiting_ends_when_another_thread_publishes() -> None:
    state: Published[int] = Published(0)
    thread = threading.Timer(0.05, state.publish, [5])
    thread.start()
    assert state.wait(seen=0, timeout=10) == (5, 1)
    thread.join()
