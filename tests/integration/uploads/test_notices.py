"""Notices on real receivers, an HTTPS server and a mail server: signed, trusted, as received; every fault by its name."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.domain.errors import UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.health import Issue, Severity
from appliance.domain.notice import Health, Notice, NoticeEvent, Origin, to_json
from appliance.domain.secret import Secret
from appliance.settings.noticetargets import MailSecurity, WebhookFormat
from appliance.uploads import mail
from appliance.uploads.faults import DEADLINE_S
from appliance.uploads.mail import MailPlace, MailTarget
from appliance.uploads.port import Sender, Target
from appliance.uploads.webhook import WebhookPlace, WebhookTarget
from tests.integration.uploads.certificates import Authority, Issued, self_signed
from tests.integration.uploads.receiver import Receiver, is_genuine, receiver
from tests.integration.uploads.served import free_port
from tests.integration.uploads.smtpd import PASSWORD, USER, Smtpd, smtpd

pytestmark = pytest.mark.timeout(200)

AT = datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)
ISSUE = Issue("camera.absent", Severity.ERROR, "No pictures: Süd <camera> & co", "Check its cable.\r\nBcc: evil@example.net", AT)
NOTICE = Notice(
    "20260131T210015Z-7",
    NoticeEvent.RAISED,
    AT,
    Origin("Sternwarte Ä", "7Q2M9KD4", "https://nightjar.local"),
    ISSUE,
    Health(2, "degraded"),
)
KEY = "seventeen words of starlight"


def sender() -> Sender:
    return Sender("7Q2M9KD4", "Sternwarte Ä", "0.1.0", "https://nightjar.local")


def send(target: Target, notice: Notice = NOTICE) -> None:
    data = to_json(notice)
    with closing(target):
        target.deliver(io.BytesIO(data), len(data), f"notices/{notice.id}.json", lambda _: None)


def fault_of(act: Callable[[], None]) -> UploadError:
    began_s = time.monotonic()
    with pytest.raises(UploadError) as caught:
        act()
    assert time.monotonic() - began_s < 4 * DEADLINE_S
    return caught.value


@dataclass
class Hooks:
    """A receiver and its place."""

    there: Receiver
    issued: Issued
    place: WebhookPlace

    def post(self, **changes: object) -> None:
        send(WebhookTarget(replace(self.place, **changes), sender))  # type: ignore[arg-type]


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Hooks]:
    authority = Authority(tmp_path)
    issued = authority.issue("server", "127.0.0.1")
    with receiver(issued) as there:
        yield Hooks(there, issued, WebhookPlace(there.address, WebhookFormat.JSON, authority.pem, key=Secret(KEY)))


def test_a_notice_is_posted_and_signed(hooks: Hooks) -> None:
    hooks.post(path=Secret("/T0/B1?thread=2\n"), token=Secret("sesame"))
    (posted,) = hooks.there.posted
    assert posted.tree == {
        "id": "20260131T210015Z-7",
        "event": "raised",
        "at": "2026-01-31T21:00:15Z",
        "site": "Sternwarte Ä",
        "device_id": "7Q2M9KD4",
        "panel": "https://nightjar.local",
        "text": "Sternwarte Ä: No pictures: Süd <camera> & co\nCheck its cable. Bcc: evil@example.net",
        "issue": {
            "key": "camera.absent",
            "severity": "error",
            "title": "No pictures: Süd <camera> & co",
            "advice": "Check its cable. Bcc: evil@example.net",
            "since": "2026-01-31T21:00:15Z",
        },
        "open": 2,
        "status": "degraded",
    }
    assert posted.path == "/hook/T0/B1?thread=2"
    assert posted.headers["Authorization"] == "Bearer sesame"
    assert posted.headers["Content-Type"] == "application/json"
    now_s = time.time()
    assert is_genuine(posted, KEY, now_s)
    assert not is_genuine(posted, "another key", now_s)
    assert not is_genuine(replace(posted, body=posted.body.replace(b"raised", b"raiser")), KEY, now_s)
    later = {**posted.headers, "X-Nightjar-Time": str(int(posted.headers["X-Nightjar-Time"]) + 1)}
    assert not is_genuine(replace(posted, headers=later), KEY, now_s)
    assert not is_genuine(posted, KEY, now_s + 400), "an old one that is sent again"


def test_without_a_key_nothing_is_signed(hooks: Hooks) -> None:
    hooks.post(key=None)
    assert not {name for name in hooks.there.posted[0].headers if name.startswith("X-Nightjar")}


def test_the_test_button_posts_a_test(hooks: Hooks) -> None:
    with closing(WebhookTarget(hooks.place, sender)) as target:
        target.check()
    (posted,) = hooks.there.posted
    assert is_genuine(posted, KEY, time.time())
    assert posted.tree.keys() == {"id", "event", "at", "site", "device_id", "panel", "text"}
    assert posted.tree["event"] == "test"


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (
            WebhookFormat.SLACK,
            {"text": "Sternwarte Ä: No pictures: Süd &lt;camera&gt; &amp; co\nCheck its cable. Bcc: evil@example.net"},
        ),
        (
            WebhookFormat.DISCORD,
            {
                "content": "Sternwarte Ä: No pictures: Süd <camera> & co\nCheck its cable. Bcc: evil@example.net",
                "allowed_mentions": {"parse": []},
            },
        ),
        (
            WebhookFormat.GOTIFY,
            {
                "title": "Sternwarte Ä",
                "message": "Sternwarte Ä: No pictures: Süd <camera> & co\nCheck its cable. Bcc: evil@example.net",
                "priority": 8,
            },
        ),
    ],
)  # fmt: skip
def test_words_of_common_receivers(hooks: Hooks, words: WebhookFormat, body: object) -> None:
    hooks.post(format=words)
    assert hooks.there.posted[0].tree == body


def test_plain_words_for_a_push_service(hooks: Hooks) -> None:
    hooks.post(format=WebhookFormat.NTFY)
    (posted,) = hooks.there.posted
    assert posted.body.decode() == NOTICE.text
    assert posted.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "fault"),
    [(401, Fault.LOGIN), (403, Fault.RIGHT), (404, Fault.PATH), (302, Fault.PATH), (507, Fault.FULL), (429, Fault.BROKEN),
     (503, Fault.BROKEN)],
)  # fmt: skip
def test_what_a_receiver_says_becomes_a_fault(hooks: Hooks, status: int, fault: Fault) -> None:
    hooks.there.status = status
    assert fault_of(hooks.post).fault is fault
    assert len(hooks.there.posted) == 1


def test_a_notice_that_is_not_taken_is_refused_alone(hooks: Hooks) -> None:
    hooks.there.status = 400
    with pytest.raises(UploadRefusedError):
        hooks.post()
    with closing(WebhookTarget(hooks.place, sender)) as target, pytest.raises(UploadRefusedError, match="no notice"):
        target.deliver(io.BytesIO(b"{}"), 2, "notices/x.json", lambda _: None)


def test_name_port_and_certificate_of_a_receiver(hooks: Hooks, tmp_path: Path) -> None:
    assert fault_of(lambda: hooks.post(address="https://no-such-name.invalid/")).fault is Fault.NAME
    assert fault_of(lambda: hooks.post(address=f"https://127.0.0.1:{free_port()}/")).fault is Fault.PORT
    shown = fault_of(lambda: hooks.post(certificate=""))
    assert (shown.fault, shown.shown) == (Fault.CERTIFICATE, hooks.issued.pem)
    assert fault_of(lambda: hooks.post(certificate=Authority(tmp_path).pem)).fault is Fault.CERTIFICATE
    assert hooks.there.posted == []


@pytest.mark.parametrize("path", ["1.evil.example/", "@evil.example/", "/a b", "/ä", "/x#y"])
def test_a_secret_part_leads_nowhere_else(hooks: Hooks, path: str) -> None:
    address = f"https://127.0.0.1:{hooks.there.port}"
    error = fault_of(lambda: hooks.post(address=address, path=Secret(path)))
    assert error.fault is Fault.PATH
    assert path not in str(error)
    assert hooks.there.posted == []


def test_a_token_that_would_be_a_header_is_refused(hooks: Hooks) -> None:
    assert fault_of(lambda: hooks.post(token=Secret("a\r\nX-Evil: 1"))).fault is Fault.LOGIN


@dataclass
class Post:
    """A mail server and its place."""

    there: Smtpd
    issued: Issued
    place: MailPlace

    def mail(self, notice: Notice = NOTICE, **changes: object) -> None:
        send(MailTarget(replace(self.place, **changes), sender), notice)  # type: ignore[arg-type]

    def fault(self, **changes: object) -> UploadError:
        return fault_of(lambda: self.mail(**changes))  # type: ignore[arg-type]


@contextmanager
def post_office(folder: Path, security: MailSecurity) -> Iterator[Post]:
    authority = Authority(folder)
    issued = authority.issue("mail", "127.0.0.1")
    with smtpd(issued, security.value) as there:
        place = MailPlace(
            "127.0.0.1", there.port, security, USER, "sky@example.net", ("ada@example.net", "tycho@example.org"), authority.pem,
            Secret(PASSWORD),
        )  # fmt: skip
        yield Post(there, issued, place)


SAFE = [MailSecurity.IMPLICIT, MailSecurity.STARTTLS]


@pytest.fixture(params=SAFE)
def post(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Post]:
    with post_office(tmp_path, request.param) as office:
        yield office


@pytest.fixture
def starttls(tmp_path: Path) -> Iterator[Post]:
    with post_office(tmp_path, MailSecurity.STARTTLS) as office:
        yield office


def test_a_mail_as_it_was_received(post: Post) -> None:
    post.mail()
    (taken,) = post.there.taken
    assert (taken.sender, taken.recipients) == ("sky@example.net", ["ada@example.net", "tycho@example.org"])
    assert (taken.login, taken.over_tls) == (USER.encode(), True)
    message = taken.message
    assert message["Subject"] == "[Sternwarte Ä] No pictures: Süd <camera> & co"
    assert (message["From"], message["To"]) == ("sky@example.net", "ada@example.net, tycho@example.org")
    assert message["Date"].datetime == AT
    assert message["Message-ID"] == "<20260131T210015Z-7.7q2m9kd4@example.net>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Bcc"] is None
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == [
        "Sternwarte Ä: No pictures: Süd <camera> & co",
        "Check its cable. Bcc: evil@example.net",
        "",
        "Severity: error",
        "Since: 2026-01-31 21:00:15 UTC",
        "Open issues: 2",
        "Panel: https://nightjar.local",
        "Nightjar 7Q2M9KD4",
    ]
    assert taken.raw.isascii()


def test_no_words_of_others_become_a_header(starttls: Post) -> None:
    evil = "x\r\nBcc: evil@example.net\r\n\r\nbody\0\u2028"
    origin = replace(NOTICE.origin, site=evil, panel=evil, device_id="7Q2M9KD4")
    starttls.mail(replace(NOTICE, origin=origin, issue=replace(ISSUE, title=evil)))
    (taken,) = starttls.there.taken
    assert taken.recipients == ["ada@example.net", "tycho@example.org"]
    assert taken.message["Bcc"] is None
    assert taken.message["Subject"] == "[x Bcc: evil@example.net body] x Bcc: evil@example.net body"


def test_the_test_button_sends_a_mail_that_says_so(starttls: Post) -> None:
    with closing(MailTarget(starttls.place, sender)) as target:
        target.check()
    (taken,) = starttls.there.taken
    assert taken.message["Subject"] == "[Sternwarte Ä] A test: notices arrive here"


def test_a_wrong_password_and_none(post: Post) -> None:
    assert post.fault(password=Secret("wrong")).fault is Fault.LOGIN
    assert post.fault(password=None).fault is Fault.LOGIN
    assert post.fault(user="").fault is Fault.LOGIN
    assert post.there.taken == []
    assert post.there.logins == [(USER, True), (USER, True)], "each once"


def test_the_older_way_to_log_in_and_letters_of_the_world(tmp_path: Path) -> None:
    issued = self_signed(tmp_path, "own", "127.0.0.1")
    with smtpd(issued, "starttls", offers_plain=False) as there:
        place = MailPlace("127.0.0.1", there.port, MailSecurity.STARTTLS, USER, "a@example.net", ("b@example.net",), issued.pem)
        send(MailTarget(replace(place, password=Secret(PASSWORD)), sender))
        assert (
            fault_of(lambda: send(MailTarget(replace(place, user="Jürgen", password=Secret("ß")), sender))).fault is Fault.LOGIN
        )
        assert there.logins == [(USER, True), ("Jürgen", True)]
        assert len(there.taken) == 1


@pytest.mark.parametrize(
    ("what", "answer", "fault"),
    [
        ("MAIL", "553 not your address", Fault.RIGHT),
        ("MAIL", "452 no room", Fault.FULL),
        ("MAIL", "421 too many", Fault.BROKEN),
        ("both", "550 nobody here", Fault.RIGHT),
        ("both", "552 quota", Fault.FULL),
        ("both", "450 come back later", Fault.BROKEN),
        ("DATA", "552 too much", Fault.FULL),
        ("DATA", "451 later", Fault.BROKEN),
    ],
)
def test_refused_senders_recipients_and_full_boxes(starttls: Post, what: str, answer: str, fault: Fault) -> None:
    starttls.there.refuses = dict.fromkeys(starttls.place.recipients if what == "both" else (what,), answer)
    error = starttls.fault()
    assert error.fault is fault
    assert answer.partition(" ")[2] in str(error)
    assert starttls.there.taken == []


def test_one_refused_recipient_keeps_the_mail_from_no_other_and_is_told(starttls: Post) -> None:
    starttls.there.refuses = {"tycho@example.org": "550 nobody here"}
    with pytest.raises(UploadRefusedError, match=r"tycho@example\.org: 550 nobody here"):
        starttls.mail()
    assert [taken.recipients for taken in starttls.there.taken] == [["ada@example.net"]]


def test_a_mail_that_is_not_taken_is_refused_alone(starttls: Post) -> None:
    starttls.there.refuses = {"DATA": "554 looks like spam"}
    with pytest.raises(UploadRefusedError, match="looks like spam"):
        starttls.mail()


def test_name_and_port_of_a_mail_server(starttls: Post) -> None:
    assert starttls.fault(host="no-such-name.invalid").fault is Fault.NAME
    assert starttls.fault(port=free_port()).fault is Fault.PORT


def test_no_certificate_but_a_trusted_one(post: Post, tmp_path: Path) -> None:
    shown = post.fault(certificate="")
    assert (shown.fault, shown.shown) == (Fault.CERTIFICATE, post.issued.pem)
    assert post.fault(certificate=Authority(tmp_path).pem).fault is Fault.CERTIFICATE
    assert (post.there.logins, post.there.taken) == ([], [])


@pytest.mark.parametrize("security", SAFE)
def test_a_pinned_certificate_is_taken_whatever_its_name_and_no_other(tmp_path: Path, security: MailSecurity) -> None:
    own, other = self_signed(tmp_path, "own", "attic.local"), self_signed(tmp_path, "other", "attic.local")
    for shown in (own, other):
        with smtpd(shown, security.value) as there:
            place = MailPlace(
                "127.0.0.1", there.port, security, USER, "sky@example.net", ("ada@example.net",), own.pem, Secret(PASSWORD)
            )
            if shown is own:
                send(MailTarget(place, sender))
                assert len(there.taken) == 1
            else:
                error = fault_of(lambda place=place: send(MailTarget(place, sender)))  # type: ignore[misc]
                assert (error.fault, error.shown) == (Fault.CERTIFICATE, other.pem)
                assert there.logins == []


def test_a_server_without_tls_gets_nothing_unless_an_admin_has_said_so(tmp_path: Path) -> None:
    with post_office(tmp_path, MailSecurity.NONE) as office:
        error = office.fault(security=MailSecurity.STARTTLS)
        assert error.fault is Fault.BROKEN
        assert "offers no TLS" in str(error)
        assert office.fault(security=MailSecurity.IMPLICIT).fault is Fault.BROKEN
        assert (office.there.logins, office.there.taken) == ([], [])
        office.mail()
        assert [taken.over_tls for taken in office.there.taken] == [False]


def test_a_server_with_tls_takes_nothing_without(starttls: Post) -> None:
    assert starttls.fault(security=MailSecurity.NONE).fault in {Fault.LOGIN, Fault.RIGHT}
    assert starttls.there.taken == []


@contextmanager
def talker(say: bytes, every_s: float) -> Iterator[int]:
    """Listen, and say something again and again, whatever is heard; return the port."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not done.is_set():
                try:
                    with listener.accept()[0] as client:
                        while not done.wait(every_s):
                            client.sendall(say)
                except OSError:  # nobody yet, or it has had enough
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join(10)


def test_hosts_that_swallow_everything(hooks: Hooks, starttls: Post) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole, ThreadPoolExecutor() as threads:
        port = hole.getsockname()[1]
        mails = [threads.submit(starttls.fault, port=port, security=security) for security in MailSecurity]
        post = threads.submit(fault_of, lambda: hooks.post(address=f"https://127.0.0.1:{port}/"))
        assert {waiting.result().fault for waiting in (*mails, post)} == {Fault.SILENT}


def test_a_mail_server_that_drips_and_one_that_never_ends(starttls: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "MAIL_S", 3.0)
    with talker(b"2", 0.1) as port:
        began_s = time.monotonic()
        assert starttls.fault(port=port).fault is Fault.SILENT
        assert time.monotonic() - began_s < 20
    monkeypatch.setattr(mail, "MAIL_S", 60.0)
    with talker(b"220-and so on\r\n" * 1000, 0.0) as port:
        error = starttls.fault(port=port)
    assert (error.fault, "too much" in str(error)) == (Fault.BROKEN, True)
