"""MQTT against a real broker: every byte, every fault by its name, no certificate but a trusted one, and who is there."""

import io
import json
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from appliance.domain.errors import StoppedError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.health import Issue, Severity
from appliance.domain.night import NightId
from appliance.domain.notice import Health, Notice, NoticeEvent, Origin, to_json
from appliance.domain.secret import Secret
from appliance.uploads import mqtt, mqtttarget, trust
from appliance.uploads.homeassistant import documents
from appliance.uploads.mqtt import Broker, BrokerPlace, Will
from appliance.uploads.mqtttarget import MqttPlace, MqttTarget
from appliance.uploads.port import Sender
from appliance.uploads.topics import Topics, state_of
from tests.integration.uploads.certificates import Authority, Issued, self_signed
from tests.integration.uploads.many import send_through_a_storm
from tests.integration.uploads.mqttd import COMMANDS, GUEST, PASSWORD, USER, Mqttd, Subscriber, mqttd, retained
from tests.integration.uploads.served import free_port

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs(*COMMANDS)]
SENDER = Sender("7Q2M9KD4", "My sky", "0.1.0")
TOPICS = Topics("nightjar", SENDER.device_id)
NUMBER = re.compile(r"-(\d+)\.jpg\Z")


def frame_of(name: str) -> StoredFrame | None:
    """Return a frame for every name that looks like a picture's."""
    found = NUMBER.search(name)
    if found is None:
        return None
    number = int(found.group(1))
    return StoredFrame(
        id=number,
        night=NightId("2026-01-31"),
        exposure=Exposure(FrameKind.LIGHT, 30.0, 120.5),
        started_at=datetime(2026, 1, 31, 21, tzinfo=UTC) + timedelta(seconds=number),
        width=3040,
        height=3040,
        measurement=Measurement(1234.5, 0.0, stars=None if number % 2 else 417, sky_mag_arcsec2=21.25),
        picture_name=f"nights/2026-01-31/{name}",
        thumb_name="",
        picture_bytes=0,
        sensor_temperature_c=-3.5,
    )


def picture(number: int) -> str:
    return f"20260131T210015Z-{number}.jpg"


@dataclass
class Site:
    """A broker with its folder, and the authority that signed for it."""

    server: Mqttd
    folder: Path
    authority: Authority
    issued: Issued
    place: MqttPlace

    def with_broker(self, **values: object) -> MqttPlace:
        return replace(self.place, broker=replace(self.place.broker, **values))  # type: ignore[arg-type]

    @contextmanager
    def again(self, issued: Issued | None, allowed: str = "#", extra: str = "") -> Iterator[Mqttd]:
        """Run the broker in another way, on the same ports."""
        self.server.kill()
        port, plain_port = self.server.port, self.server.plain_port
        with mqttd(self.folder, issued, port=port, plain_port=plain_port, allowed=allowed, extra=extra) as server:
            yield server


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "there"
    folder.mkdir()
    authority = Authority(tmp_path)
    issued = authority.issue("server", "127.0.0.1")
    with mqttd(folder, issued) as server:
        broker = BrokerPlace("127.0.0.1", server.port, USER, authority.pem, password=Secret(PASSWORD))
        yield Site(server, folder, authority, issued, MqttPlace(broker, "target01", "nightjar", "homeassistant", True, True))


def target_at(place: MqttPlace) -> MqttTarget:
    return MqttTarget(place, frame_of, lambda: SENDER)


def send(target: MqttTarget, name: str, data: bytes) -> list[int]:
    seen: list[int] = []
    target.deliver(io.BytesIO(data), len(data), name, seen.append)
    return seen


def fault_of(place: MqttPlace) -> UploadError:
    with closing(target_at(place)) as target, pytest.raises(UploadError) as caught:
        target.check()
    return caught.value


def fault_of_sending(place: MqttPlace) -> UploadError:
    with closing(target_at(place)) as target, pytest.raises(UploadError) as caught:
        send(target, picture(1), b"sky")
    return caught.value


def wait_for(server: Mqttd, topic: str, payload: bytes) -> None:
    until = time.monotonic() + 30
    while (found := retained(server).get(topic)) != payload:
        assert time.monotonic() < until, found


def test_picture_and_numbers_arrive_and_stay_and_home_assistant_is_told(site: Site) -> None:
    data = random.Random(1).randbytes(1_000_001)
    with closing(Subscriber(site.server)) as subscriber, closing(target_at(site.place)) as target:
        seen = send(target, picture(8), data)
        send(target, "keogram.jpg", b"a keogram")
        send(target, "startrail.jpg", b"a star trail")
        messages = subscriber.until(TOPICS.product("startrail.jpg"))
        there = retained(site.server)
    assert seen == [*sorted(seen[:-1]), len(data)]
    assert len(seen) > 20
    state = {
        "picture": picture(8),
        "frame": 8,
        "night": "2026-01-31",
        "started_at": "2026-01-31T21:00:08+00:00",
        "site": "My sky",
        "exposure_s": 30.0,
        "gain": 120.5,
        "mean_adu": 1234.5,
        "saturated_fraction": 0.0,
        "stars": 417,
        "sky_mag_arcsec2": 21.25,
        "sensor_temperature_c": -3.5,
    }
    told = dict(documents("homeassistant", TOPICS, SENDER, has_images=True, has_products=True))
    assert json.loads(there.pop("nightjar/7Q2M9KD4/state")) == state
    assert there == {
        "nightjar/7Q2M9KD4/availability": b"online",
        "nightjar/7Q2M9KD4/picture": data,
        "nightjar/7Q2M9KD4/keogram": b"a keogram",
        "nightjar/7Q2M9KD4/startrail": b"a star trail",
        **told,
    }
    assert [message.topic for message in messages] == [
        *told, TOPICS.availability, TOPICS.history, TOPICS.picture, TOPICS.state, TOPICS.product("keogram.jpg"),
        TOPICS.product("startrail.jpg"),
    ]  # fmt: skip
    assert json.loads(messages[len(told) + 1].payload) == state


def test_what_came_late_replaces_nothing_newer_but_is_in_the_history(site: Site) -> None:
    with closing(Subscriber(site.server)) as subscriber:
        with closing(target_at(site.place)) as target:
            send(target, picture(5), b"newest")
            send(target, picture(3), b"late")
            send(target, picture(5), b"newest again")
        with closing(target_at(site.place)) as another:  # it learns from the broker what stands there
            send(another, picture(4), b"late, too")
            there = retained(site.server)
            send(another, picture(6), b"newer")
        history = [json.loads(m.payload) for m in subscriber.until(TOPICS.history, 5) if m.topic == TOPICS.history]
    assert (there[TOPICS.picture], json.loads(there[TOPICS.state])["frame"]) == (b"newest again", 5)
    assert retained(site.server)[TOPICS.picture] == b"newer"
    assert [state["frame"] for state in history] == [5, 3, 5, 4, 6]
    assert ["stars" in state for state in history] == [False, False, False, True, True]


@pytest.mark.parametrize("there", [b"", b"\xff", b"[]", b'{"picture": 7}', b'{"picture": "unknown.jpg"}'])
def test_what_stands_there_and_is_not_ours_hides_no_picture(site: Site, there: bytes) -> None:
    broker = Broker(site.place.broker, "somebody")
    with closing(broker):
        broker.connect()
        broker.publish(TOPICS.state, there, is_retained=True)
    with closing(target_at(site.place)) as target:
        send(target, picture(1), b"sky")
    assert retained(site.server)[TOPICS.picture] == b"sky"


def test_without_images_only_numbers_are_sent_and_old_images_are_taken_away(site: Site) -> None:
    with closing(target_at(site.place)) as target:
        send(target, picture(1), b"sky")
        send(target, "keogram.jpg", b"a keogram")
    with closing(target_at(replace(site.place, has_images=False))) as target:
        send(target, picture(2), b"sky")
        send(target, "keogram.jpg", b"a keogram")
        there = retained(site.server)
    assert json.loads(there[TOPICS.state])["frame"] == 2
    assert not [topic for topic in there if "image" in topic or topic in {TOPICS.picture, TOPICS.product("keogram.jpg")}]
    with closing(target_at(replace(site.place, discovery="", topic="home/sky"))) as target:
        send(target, picture(3), b"sky")
        assert retained(site.server).keys() - there.keys() == {
            f"home/sky/7Q2M9KD4/{word}" for word in ("availability", "picture", "state")
        }


def test_notices_and_health(site: Site) -> None:
    at, origin = datetime(2026, 1, 31, 21, tzinfo=UTC), Origin("My sky", SENDER.device_id, "")
    issue = Issue("disk", Severity.WARNING, "Little room", "Remove nights.", at)
    raised = to_json(Notice("1", NoticeEvent.RAISED, at, origin, issue, Health(1, "degraded")))
    tried = to_json(Notice("2", NoticeEvent.TEST, at, origin))
    with closing(Subscriber(site.server)) as subscriber, closing(target_at(site.place)) as target:
        send(target, "notices/1.json", raised)
        send(target, "notices/2.json", tried)
        assert [m.payload for m in subscriber.until(TOPICS.notice, 2) if m.topic == TOPICS.notice] == [raised, tried]
        there = retained(site.server)
        assert there[TOPICS.health] == b"degraded", "a test says nothing of that"
        assert TOPICS.notice not in there
        for wrong in (b"", b"[]", b"{}", b"\xff"):
            with pytest.raises(UploadRefusedError):
                send(target, "notices/3.json", wrong)


def test_what_has_no_numbers_is_refused(site: Site) -> None:
    with closing(target_at(site.place)) as target, pytest.raises(UploadRefusedError):
        send(target, "night.mp4", b"film")


def test_the_test_button_leaves_nothing_and_disturbs_nobody(site: Site) -> None:
    with closing(Subscriber(site.server)) as subscriber, closing(target_at(site.place)) as target:
        target.check()
        assert retained(site.server) == {}
        send(target, picture(1), b"sky")
        target_at(site.place).check()
        target.tend()
        sent = [(m.topic, m.payload) for m in subscriber.until(TOPICS.check, 2)]
    assert sent[:2] == [(TOPICS.check, b"Nightjar"), ("homeassistant/sensor/7Q2M9KD4/check/config", b"")]
    assert (TOPICS.availability, b"offline") not in sent


def test_who_is_there(site: Site) -> None:
    target = target_at(site.place)
    with closing(target):
        send(target, picture(1), b"sky")
        assert retained(site.server)[TOPICS.availability] == b"online"
    wait_for(site.server, TOPICS.availability, b"offline")
    with closing(target_at(site.place)) as target:
        send(target, picture(2), b"sky")
        assert retained(site.server)[TOPICS.availability] == b"online"


def test_a_client_that_is_killed_is_offline(site: Site) -> None:
    program = (
        "import io, sys, time\n"
        "from tests.integration.uploads.test_mqtt import *\n"
        "broker = BrokerPlace('127.0.0.1', int(sys.argv[1]), USER, open(sys.argv[2]).read(), password=Secret(PASSWORD))\n"
        "send(target_at(MqttPlace(broker, 'target01', 'nightjar', '', True, True)), picture(1), b'sky')\n"
        "print('sent', flush=True)\n"
        "time.sleep(300)\n"
    )
    trusted = site.folder / "trusted.pem"
    trusted.write_text(site.authority.pem)
    command = [sys.executable, "-c", program, str(site.server.port), str(trusted)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE) as client:
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == b"sent\n"
            assert retained(site.server)[TOPICS.availability] == b"online"
        finally:
            client.kill()
    wait_for(site.server, TOPICS.availability, b"offline")


def test_a_kept_connection_is_made_again_after_the_broker_was_away(site: Site) -> None:
    clock = [0.0]
    with closing(MqttTarget(site.place, frame_of, lambda: SENDER, lambda: clock[0])) as target:
        send(target, picture(1), b"sky")
        site.server.kill()
        target.tend()
        with site.again(site.issued) as server:
            target.tend()
            assert "nightjar" not in retained(server).get(TOPICS.availability, b"").decode()
            clock[0] += mqtttarget.AGAIN_S
            target.tend()
            assert retained(server)[TOPICS.availability] == b"online"
        with site.again(site.issued):
            send(target, picture(2), b"without being tended, it finds out by itself")


def test_a_kept_connection_answers_before_the_broker_gives_it_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 1)
    with closing(target_at(site.place)) as target:
        send(target, picture(1), b"sky")
        until = time.monotonic() + 30
        while (said := site.server.log.read_text()).count("Sending PINGRESP to nightjar-7Q2M9KD4") < 3:
            assert time.monotonic() < until
            target.tend()
            time.sleep(0.1)
    assert "exceeded timeout" not in said


def test_another_name_of_the_site_is_told_at_once(site: Site) -> None:
    sender = [SENDER]
    with closing(MqttTarget(site.place, frame_of, lambda: sender[0])) as target:
        send(target, picture(1), b"sky")
        sender[0] = replace(SENDER, site_name="Hill")
        send(target, picture(2), b"sky")
    document = json.loads(retained(site.server)["homeassistant/sensor/7Q2M9KD4/stars/config"])
    assert document["device"]["name"] == "Hill"


def test_login_name_and_port(site: Site) -> None:
    assert fault_of(site.with_broker(password=Secret("wrong"))).fault is Fault.LOGIN
    assert fault_of(site.with_broker(password=None)).fault is Fault.LOGIN
    assert fault_of(site.with_broker(user="")).fault is Fault.LOGIN
    for name in ("no-such-name.invalid", "a..b"):
        assert fault_of(site.with_broker(host=name)).fault is Fault.NAME
    assert fault_of(site.with_broker(port=free_port())).fault is Fault.PORT
    assert retained(site.server) == {}


def test_rights_are_told_apart_by_topic(site: Site) -> None:
    guest = site.with_broker(user=GUEST)
    error = fault_of(guest)
    assert (error.fault, "nightjar/7Q2M9KD4/check" in str(error)) == (Fault.RIGHT, True)
    assert fault_of_sending(guest).fault is Fault.RIGHT
    with site.again(site.issued, allowed="nightjar/7Q2M9KD4/#"):
        error = fault_of(site.place)
        assert (error.fault, "homeassistant/" in str(error)) == (Fault.RIGHT, True)
        with closing(target_at(replace(site.place, discovery=""))) as target:
            target.check()
            send(target, picture(1), b"sky")


def test_a_message_that_is_too_large_is_refused_alone(site: Site) -> None:
    for number, extra in ((1, "message_size_limit 100000"), (3, "max_packet_size 100000")):
        with site.again(site.issued, extra=extra) as server, closing(target_at(site.place)) as target:
            with pytest.raises(UploadRefusedError, match=r"too large|up to 100000 bytes"):
                send(target, picture(number), bytes(200_000))
            send(target, picture(number + 1), b"%d" % number)
            assert retained(server)[TOPICS.picture] == b"%d" % number
    with closing(target_at(site.place)) as target, pytest.raises(UploadRefusedError):
        target.deliver(io.BytesIO(b""), mqtt.LARGEST + 1, picture(5), lambda _: None)


def test_no_certificate_but_a_trusted_one(site: Site, tmp_path: Path) -> None:
    shown = fault_of(site.with_broker(certificate=""))
    assert (shown.fault, shown.shown) == (Fault.CERTIFICATE, site.issued.pem)
    assert fault_of(site.with_broker(certificate=Authority(tmp_path).pem)).fault is Fault.CERTIFICATE
    assert fault_of_sending(site.with_broker(certificate="")).fault is Fault.CERTIFICATE
    assert "New client connected" not in site.server.log.read_text()


@pytest.mark.parametrize("what", ["name", "ended"])
def test_a_certificate_of_the_right_authority_for_another_name_or_time(site: Site, what: str) -> None:
    wrong = site.authority.issue("wrong", "127.0.0.1" if what == "ended" else "other.example", ended=what == "ended")
    with site.again(wrong) as server:
        error = fault_of(site.place)
        assert (error.fault, error.shown) == (Fault.CERTIFICATE, wrong.pem)
        assert "New client connected" not in server.log.read_text()


def test_a_pinned_certificate_is_taken_whatever_its_name_and_no_other(site: Site, tmp_path: Path) -> None:
    own, other = self_signed(tmp_path, "own", "attic.local"), self_signed(tmp_path, "other", "attic.local")
    pinned = site.with_broker(certificate=own.pem)
    with site.again(own) as server:
        with closing(target_at(pinned)) as target:
            send(target, picture(1), b"sky")
        known = server.log.read_text().count("New client connected")
    with site.again(other) as server:
        error = fault_of(pinned)
        assert (error.fault, error.shown) == (Fault.CERTIFICATE, other.pem)
        assert server.log.read_text().count("New client connected") == known


def test_a_broker_without_tls_gets_no_password_unless_an_admin_has_said_so(site: Site) -> None:
    plain_port = site.server.plain_port
    assert fault_of(site.with_broker(port=plain_port)).fault is Fault.BROKEN
    assert "New client connected" not in site.server.log.read_text()
    with closing(target_at(site.with_broker(port=plain_port, is_plain=True))) as target:
        target.check()
        send(target, picture(1), b"sky")
    assert retained(site.server)[TOPICS.picture] == b"sky"


def test_a_host_that_swallows_everything(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mqtt, trust):
        monkeypatch.setattr(module, "DEADLINE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as hole:
        port = hole.getsockname()[1]
        assert fault_of(site.with_broker(port=port)).fault is Fault.SILENT
        assert fault_of(site.with_broker(port=port, is_plain=True)).fault is Fault.SILENT


def test_a_broker_that_goes_silent_in_mid_transfer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "DEADLINE_S", 2.0)
    with closing(target_at(site.place)) as target:
        send(target, picture(1), b"sky")
        site.server.process.send_signal(19)  # SIGSTOP
        began_s = time.monotonic()
        with pytest.raises(UploadError) as caught:
            send(target, picture(2), bytes(3_000_000))
        assert caught.value.fault is Fault.SILENT
        assert time.monotonic() - began_s < 20


def test_a_stop_in_mid_transfer_leaves_the_old_picture(site: Site) -> None:
    def stop(sent: int) -> None:
        if sent > 500_000:
            raise StoppedError("the appliance stops")

    with closing(target_at(site.place)) as target:
        send(target, picture(1), b"sky")
        with pytest.raises(StoppedError):
            target.deliver(io.BytesIO(bytes(2_000_000)), 2_000_000, picture(2), stop)
        assert retained(site.server)[TOPICS.picture] == b"sky"
        wait_for(site.server, TOPICS.availability, b"offline")
        send(target, picture(2), b"whole")
        assert retained(site.server)[TOPICS.picture] == b"whole"


def test_version_3_of_the_protocol_on_a_real_broker(site: Site) -> None:
    broker = Broker(site.place.broker, "old", Will("nightjar/will", b"gone"))
    broker._open(MQTTProtocolVersion.MQTTv311)
    broker.publish("nightjar/kept", b"x" * 100_000, is_retained=True)
    broker.listen("nightjar/kept")
    broker.publish("nightjar/passing", b"y", is_retained=False)
    assert broker.heard() == b"x" * 100_000
    broker.close()
    wait_for(site.server, "nightjar/will", b"gone")
    with pytest.raises(UploadError) as caught:
        Broker(replace(site.place.broker, password=Secret("wrong")), "old")._open(MQTTProtocolVersion.MQTTv311)
    assert caught.value.fault is Fault.LOGIN
    assert "(p2, c1, k60, u'ada')" in site.server.log.read_text()


class Scripted:
    """A plain broker that the test speaks for: it gets what is done with each connection."""

    def __init__(self, *scripts: "Script") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.packets: list[list[tuple[int, bytes]]] = []
        self._thread = threading.Thread(target=self._serve, args=(scripts,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(30)
        self._listener.close()

    def _serve(self, scripts: tuple["Script", ...]) -> None:
        for script in scripts:
            client, _ = self._listener.accept()
            client.settimeout(20)
            self.packets.append([])
            with client:
                try:
                    while packet := self._packet(client):
                        self.packets[-1].append(packet)
                        client.sendall(script.answer(*packet))
                        if script.hangs_up:
                            break
                except OSError:
                    continue  # the client has had enough

    @staticmethod
    def _packet(client: socket.socket) -> tuple[int, bytes] | None:
        head = client.recv(1)
        if not head:
            return None
        length, shift = 0, 0
        while True:
            byte = client.recv(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        body = b""
        while len(body) < length:
            body += client.recv(length - len(body))
        return head[0], body


@dataclass
class Script:
    """What is answered to a packet of each kind."""

    answers: dict[int, bytes]
    hangs_up: bool = False
    version: int = 0

    def answer(self, head: int, body: bytes) -> bytes:
        kind = head >> 4
        if kind == 1:  # CONNECT
            self.version = body[6]
        if kind == 3 and kind not in self.answers:  # PUBLISH
            (topic,) = struct.unpack_from("!H", body)
            return b"\x40\x02" + body[2 + topic : 4 + topic]
        if kind == 8:  # SUBSCRIBE
            return b"\x90\x03" + body[:2] + b"\x80" if self.version < 5 else b"\x90\x04" + body[:2] + b"\x00\x87"
        return self.answers.get(kind, b"")


def scripted_place(server: Scripted) -> MqttPlace:
    return MqttPlace(BrokerPlace("127.0.0.1", server.port, "", "", is_plain=True), "target01", "nightjar", "", True, True)


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b""])
def test_a_broker_that_knows_only_version_3_is_spoken_to_in_it(refusal: bytes) -> None:
    with closing(Scripted(Script({1: refusal}, hangs_up=True), Script({1: b"\x20\x02\x00\x00"}))) as server:
        with closing(target_at(scripted_place(server))) as target:
            send(target, picture(1), b"sky")
        (first, *_), packets = server.packets
    assert (first[1][6], packets[0][1][6]) == (5, 4)
    published = [body for head, body in packets if head >> 4 == 3]
    assert [body[2 : 2 + body[1]].decode() for body in published] == [
        "nightjar/7Q2M9KD4/availability", "nightjar/7Q2M9KD4/history", "nightjar/7Q2M9KD4/picture", "nightjar/7Q2M9KD4/state",
    ]  # fmt: skip
    assert published[2].endswith(b"sky")


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (0x86, Fault.LOGIN),
        (0x87, Fault.LOGIN),
        (0x8A, Fault.LOGIN),
        (0x88, Fault.BROKEN),
        (0x97, Fault.FULL),
        (0x85, Fault.BROKEN),
    ],
)
def test_what_a_broker_says_to_a_login_becomes_a_fault(code: int, fault: Fault) -> None:
    with closing(Scripted(Script({1: bytes((0x20, 3, 0, code, 0))}, hangs_up=True))) as server:
        assert fault_of(scripted_place(server)).fault is fault


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"\x40\x03\x00\x01\x97", Fault.FULL),
        (b"\x40\x03\x00\x01\x87", Fault.RIGHT),
        (b"\x40\x03\x00\x01\x90", Fault.PATH),
        (b"\x40\x03\x00\x01\x80", Fault.BROKEN),
        (b"\xe0\x02\x97\x00", Fault.FULL),
        (b"\xe0\x02\x8e\x00", Fault.BROKEN),
    ],
)
def test_what_a_broker_says_to_a_message_becomes_a_fault(answer: bytes, fault: Fault) -> None:
    with closing(Scripted(Script({1: b"\x20\x03\x00\x00\x00", 3: answer}))) as server:
        assert fault_of(scripted_place(server)).fault is fault


def test_a_broker_that_keeps_nothing_is_not_asked_to_and_one_that_confirms_nothing_is_no_target() -> None:
    with closing(Scripted(Script({1: b"\x20\x05\x00\x00\x02\x25\x00"}))) as server:
        with closing(target_at(scripted_place(server))) as target:
            send(target, picture(1), b"sky")
        heads = {head for head, _ in server.packets[0] if head >> 4 == 3}
    assert heads == {0x32}, "QoS 1, not retained"
    with closing(Scripted(Script({1: b"\x20\x05\x00\x00\x02\x24\x00"}))) as server:
        assert "confirms no messages" in str(fault_of(scripted_place(server)))


def test_noise_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "DEADLINE_S", 0.2)
    monkeypatch.setattr(mqtt, "_TURN_S", 0.1)
    chance = random.Random(7)
    for head in (0x20, 0x30, 0x3F, 0x40, 0x62, 0x90, 0xB0, 0xD0, 0xE0, 0xF0):
        for _ in range(2):
            body = chance.randbytes(chance.randrange(1, 40))
            noise = bytes((head, len(body))) + body
            with closing(Scripted(Script({1: noise}, hangs_up=True), Script({1: noise}, hangs_up=True))) as server:
                with closing(target_at(scripted_place(server))) as target, pytest.raises((UploadError, UploadRefusedError)):
                    send(target, picture(1), b"sky")
                with closing(target_at(scripted_place(server))) as target, pytest.raises((UploadError, UploadRefusedError)):
                    target.check()


def test_a_packet_that_is_too_large_is_not_taken() -> None:
    huge = b"\x20\xff\xff\xff\x7f" + bytes(1000)
    with closing(Scripted(Script({1: huge}, hangs_up=True), Script({1: huge}, hangs_up=True))) as server:
        assert fault_of(scripted_place(server)).fault is Fault.BROKEN


def test_500_messages_arrive_at_least_once_though_the_broker_is_killed_at_random(site: Site, tmp_path: Path) -> None:
    site.server.kill()
    names = ["n" * number + picture(1000 + number) for number in range(500)]  # each message has a length of its own
    place = replace(site.place, discovery="")

    def serve() -> "contextmanager[Mqttd]":  # type: ignore[valid-type]
        return mqttd(site.folder, site.issued, port=site.server.port, plain_port=site.server.plain_port, forgets=True)

    files = dict.fromkeys(names, b"sky")
    send_through_a_storm(tmp_path, files, lambda: target_at(place), serve, random.Random(9))
    sizes = re.findall(r"Received PUBLISH from \S+ \(d0, q1, r0, m\d+, 'nightjar/7Q2M9KD4/history', \.\.\. \((\d+) bytes\)\)",
                       site.server.log.read_text())  # fmt: skip
    frames = [frame for name in names if (frame := frame_of(name)) is not None]
    assert {int(size) for size in sizes} == {len(state_of(frame, SENDER.site_name)) for frame in frames}
    assert len({len(state_of(frame, SENDER.site_name)) for frame in frames}) == len(names)
