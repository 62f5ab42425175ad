"""The pages of targets: what an admin does there, and what nobody sees; the other side is made up."""

import re
from pathlib import Path

import pytest

from appliance.domain.errors import UploadError
from appliance.domain.fault import Fault, Words
from appliance.domain.upload import Checked, Outgoing, UploadKind
from appliance.settings.indiallskytarget import IndiAllSkyTarget
from appliance.settings.noticetargets import WebhookTarget
from appliance.settings.servicetargets import MqttTarget, S3Target
from appliance.settings.targets import SftpTarget, WebTarget, credential_name
from appliance.uploads.factory import Safe
from appliance.web.app import Panel
from tests.integration.uploads.certificates import self_signed
from tests.unit.web.world import World, callers, fill

PASSWORD = "polaris-is-not-a-password"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQ0kR7XbK7PLrDfZ7MNjB9bV0mC7D0n1mQ3jI3C0xQ3"
FORM = {
    "kind": "sftp",
    "id": "",
    "target.title": "Observatory",
    "target.host": "there.example",
    "target.port": "22",
    "target.user": "ada",
    "target.folder": "sky",
    "target.pictures": "on",
    "target.products": "on",
    "target.is_on": "on",
    "secret-password": PASSWORD,
}


class Bench:
    """A claimed panel, an admin, and one target."""

    def __init__(self, world: World) -> None:
        world.claim()
        fill(world)
        self.world, self.parts = world, world.parts
        found = callers(Panel(world.parts), world)
        self.admin, self.staff = found["admin"], found["staff"]
        self.safe = Safe(self.parts.credentials, self.parts.vault)
        assert self.admin.post("/targets/save", FORM).status == 303
        (self.target,) = self.targets()

    def targets(self) -> tuple[SftpTarget, ...]:
        return tuple(target for target in self.parts.settings.published.value.targets if isinstance(target, SftpTarget))

    def queue(self, *names: str) -> None:
        self.parts.queue.add(Outgoing(self.target.id, UploadKind.PICTURE, f"nights/{name}", name) for name in names)

    def do(self, act: str, **form: str) -> int:
        return self.admin.post(f"/targets/{self.target.id}/{act}", form).status

    def saw(self, fault: Fault | None, shown: str = "") -> None:
        """Let the last test have gone so."""
        now = self.parts.clock.now()
        self.parts.couriers._results.publish({self.target.id: Checked(now, fault=fault, message="so it went", shown=shown)})  # type: ignore[attr-defined]


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


def test_a_target_is_saved_and_its_password_is_sealed_for_its_place(bench: Bench) -> None:
    secret = bench.safe.secret_of(bench.target, "password")
    assert secret is not None
    assert secret.reveal() == PASSWORD
    assert bench.target.place == "sftp://ada@there.example:22"
    assert bench.parts.credentials.names() == (credential_name(bench.target.id, "password"),)
    for path in ("/targets", f"/targets/{bench.target.id}", "/audit", "/settings/revisions", "/api/v1/settings"):
        assert PASSWORD not in bench.admin.get(path).text, path


def test_another_host_gets_no_password(bench: Bench) -> None:
    changed = {**FORM, "id": bench.target.id, "target.host": "evil.example", "secret-password": ""}
    assert bench.admin.post("/targets/save", changed).status == 303
    (target,) = bench.targets()
    assert target.host == "evil.example"
    with pytest.raises(UploadError, match="another place") as caught:
        bench.safe.secret_of(target, "password")
    assert caught.value.fault is Fault.LOGIN


def test_an_empty_password_keeps_the_stored_one_and_a_tick_forgets_it(bench: Bench) -> None:
    bench.admin.post("/targets/save", {**FORM, "id": bench.target.id, "secret-password": "", "target.folder": "other"})
    assert bench.targets()[0].folder == "other"
    assert bench.safe.secret_of(bench.targets()[0], "password") is not None
    bench.admin.post("/targets/save", {**FORM, "id": bench.target.id, "secret-password": "", "clear-password": "on"})
    assert bench.safe.secret_of(bench.targets()[0], "password") is None


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"target.port": "many"}, "must be a whole number"),
        ({"target.host": ""}, "is needed"),
        ({"target.picture_name": "../x"}, "between slashes"),
        ({"kind": "pigeon"}, "Choose one of the kinds"),
        ({"secret-password": "x" * 17_000}, "too long"),
        ({"secret-password": "a\x07b"}, "do not belong"),
        ({"target.nonsense": "1"}, "nothing was saved"),
    ],
)
def test_a_wrong_entry_changes_nothing_and_is_named(bench: Bench, form: dict[str, str], word: str) -> None:
    before = bench.parts.settings.newest_id()
    reply = bench.admin.post("/targets/save", {**FORM, **form})
    assert reply.status in {400, 422}
    assert word in reply.text
    assert PASSWORD not in reply.text
    assert bench.parts.settings.newest_id() == before
    assert bench.targets() == (bench.target,)


def test_a_host_key_is_confirmed_once_it_was_shown(bench: Bench) -> None:
    assert bench.do("trust", shown=KEY) == 400, "nothing was tested"
    bench.saw(Fault.KEY, KEY)
    page = bench.admin.get(f"/targets/{bench.target.id}").text
    assert re.search(r"SHA256:[A-Za-z0-9+/]{43}", page)
    assert bench.do("trust", shown=KEY.replace("AAAAC3", "AAAAC4")) == 400, "another one than was seen"
    assert bench.targets()[0].host_key == ""
    assert bench.do("trust", shown=KEY) == 303
    assert bench.targets()[0].host_key == KEY


def test_a_fault_without_a_key_leaves_nothing_to_confirm(bench: Bench) -> None:
    bench.saw(Fault.LOGIN, KEY)
    assert bench.do("trust", shown=KEY) == 400
    assert bench.targets()[0].host_key == ""
    page = bench.admin.get(f"/targets/{bench.target.id}").text
    assert 'data-fault="login"' in page
    assert Fault.LOGIN.advice in page


def test_a_certificate_is_trusted_once_it_was_shown(bench: Bench, tmp_path: Path) -> None:
    pem = self_signed(tmp_path, "cloud", "cloud.example").pem
    form = {
        "kind": "web",
        "id": "",
        "target.title": "Cloud",
        "target.address": "https://cloud.example/dav/",
        "target.is_on": "on",
    }
    assert bench.admin.post("/targets/save", form).status == 303
    cloud = bench.parts.settings.published.value.targets[-1]
    assert isinstance(cloud, WebTarget)
    checked = Checked(bench.parts.clock.now(), fault=Fault.CERTIFICATE, message="self-signed", shown=pem)
    bench.parts.couriers._results.publish({cloud.id: checked})  # type: ignore[attr-defined]
    page = bench.admin.get(f"/targets/{cloud.id}").text
    assert "cloud.example" in page
    assert re.search(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", page)
    other = self_signed(tmp_path, "other", "cloud.example").pem
    assert bench.admin.post(f"/targets/{cloud.id}/trust", {"shown": other}).status == 400
    assert bench.admin.post(f"/targets/{cloud.id}/trust", {"shown": pem.replace(chr(10), chr(13) + chr(10))}).status == 303
    changed = bench.parts.settings.published.value.targets[-1]
    assert isinstance(changed, WebTarget)
    assert changed.certificate == pem
    broken = {**form, "id": cloud.id, "target.certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}
    assert bench.admin.post("/targets/save", broken).status == 400


def test_an_object_store_is_saved_shown_and_told_about_in_its_own_words(bench: Bench) -> None:
    form = {
        "kind": "s3", "id": "", "target.title": "Store", "target.endpoint": "https://s3.example", "target.region": "eu-west-3",
        "target.bucket": "sky", "target.prefix": "roof", "target.addressing": "virtual-host",
        "target.storage_class": "STANDARD_IA", "target.key_id": "AKADA", "target.is_on": "on", "secret-secret_key": PASSWORD,
    }  # fmt: skip
    assert 'name="secret-secret_key"' in bench.admin.get("/targets/new?kind=s3").text
    refused = bench.admin.post("/targets/save", {**form, "target.bucket": "sky.example"})
    assert (refused.status, "choose the addressing path" in refused.text, PASSWORD in refused.text) == (422, True, False)
    assert bench.admin.post("/targets/save", form).status == 303
    saved = bench.parts.settings.published.value.targets[-1]
    assert isinstance(saved, S3Target)
    assert (saved.bucket, saved.prefix, saved.addressing, saved.storage_class) == ("sky", "roof", "virtual-host", "STANDARD_IA")
    secret = bench.safe.secret_of(saved, "secret_key")
    assert secret is not None
    assert secret.reveal() == PASSWORD
    assert "s3:AKADA@https://s3.example" in bench.admin.get("/targets").text
    words = Words("The bucket is in another region.", "Set Region to eu-west-1.")
    checked = Checked(bench.parts.clock.now(), fault=Fault.PATH, message="PUT: 301", words=words)
    bench.parts.couriers._results.publish({saved.id: checked})  # type: ignore[attr-defined]
    page = bench.admin.get(f"/targets/{saved.id}").text
    for text in (
        "eu-west-3",
        "STANDARD_IA",
        'value="virtual-host" selected',
        words.sentence,
        words.advice,
        "PUT: 301",
        "One is stored",
    ):
        assert text in page, text
    assert Fault.PATH.advice not in page
    assert PASSWORD not in page
    moved = {**form, "id": saved.id, "target.bucket": "other", "secret-secret_key": ""}
    assert bench.admin.post("/targets/save", moved).status == 303
    assert bench.safe.secret_of(bench.parts.settings.published.value.targets[-1], "secret_key") is not None
    assert bench.admin.post("/targets/save", {**moved, "target.endpoint": "https://evil.example"}).status == 303
    with pytest.raises(UploadError, match="another place"):
        bench.safe.secret_of(bench.parts.settings.published.value.targets[-1], "secret_key")


@pytest.mark.parametrize(("kind", "safe"), [("ftp", "explicit"), ("mqtt", "tls")])
def test_a_target_without_tls_is_marked_unsafe(bench: Bench, kind: str, safe: str) -> None:
    form = {"kind": kind, "id": "", "target.title": "Old", "target.host": "nas.example", "target.user": "ada"}
    assert bench.admin.post("/targets/save", {**form, "target.security": safe}).status == 303
    assert "Unsafe" not in bench.admin.get("/targets").text
    assert bench.admin.post("/targets/save", {**form, "target.security": "none"}).status == 303
    plain = bench.parts.settings.published.value.targets[-1]
    for page in ("/targets", f"/targets/{plain.id}"):
        assert "without encryption" in bench.admin.get(page).text


def test_the_sync_of_indi_allsky_is_marked_weaker(bench: Bench) -> None:
    new = bench.admin.get("/targets/new?kind=indi-allsky").text
    assert "Weaker than the others" in new
    assert "neither the picture itself" in new
    address = {"target.address": "https://sky.example/indi-allsky", "target.user": "attic", "target.is_on": "on"}
    form = {"kind": "indi-allsky", "id": "", "target.title": "Network", **address, "secret-key": "0123456789abcdef" * 4}
    assert bench.admin.post("/targets/save", {**form, "target.user": "no blanks: no colons"}).status == 422
    assert bench.admin.post("/targets/save", {**form, "target.address": "http://sky.example/indi-allsky"}).status == 422
    assert bench.admin.post("/targets/save", form).status == 303
    saved = bench.parts.settings.published.value.targets[-1]
    assert isinstance(saved, IndiAllSkyTarget)
    key = bench.safe.secret_of(saved, "key")
    assert key is not None
    assert key.reveal() == "0123456789abcdef" * 4
    with pytest.raises(UploadError):
        bench.safe.secret_of(saved.model_copy(update={"user": "other"}), "key")
    for page in (bench.admin.get("/targets").text, bench.admin.get(f"/targets/{saved.id}").text):
        assert "Weaker than the others" in page
        assert "0123456789abcdef" not in page
    assert "Weaker" not in bench.admin.get(f"/targets/{bench.target.id}").text


def test_a_broker_is_saved_and_another_way_to_it_gets_no_password(bench: Bench) -> None:
    form = {
        "kind": "mqtt",
        "id": "",
        "target.title": "Home",
        "target.host": "broker.example",
        "target.user": "ada",
        "target.topic": "home/sky",
        "target.discovery": "",
        "secret-password": PASSWORD,
    }
    page = bench.admin.get("/targets/new?kind=mqtt").text
    assert 'value="nightjar"' in page
    assert 'value="homeassistant"' in page
    assert bench.admin.post("/targets/save", form).status == 303
    broker = bench.parts.settings.published.value.targets[-1]
    assert isinstance(broker, MqttTarget)
    assert (broker.topic, broker.discovery, broker.images, broker.port) == ("home/sky", "", False, 8883)
    assert bench.safe.secret_of(broker, "password") is not None
    wrong = bench.admin.post("/targets/save", {**form, "id": broker.id, "target.topic": "home/#"})
    assert wrong.status == 422
    assert "with / between levels" in wrong.text
    plain = {**form, "id": broker.id, "target.security": "none", "secret-password": ""}
    assert bench.admin.post("/targets/save", plain).status == 303
    with pytest.raises(UploadError, match="another place"):
        bench.safe.secret_of(bench.parts.settings.published.value.targets[-1], "password")


def test_a_test_that_went_well_says_so(bench: Bench) -> None:
    bench.saw(None)
    page = bench.admin.get(f"/targets/{bench.target.id}")
    assert page.status == 200
    assert 'data-fault=""' in page.text
    assert "All is well" in page.text


def test_a_test_is_ordered_and_runs(bench: Bench) -> None:
    assert bench.do("test") == 303
    page = bench.admin.get(f"/targets/{bench.target.id}").text
    assert "The test is running" in page
    assert "data-fault" not in page


def test_pause_resume_retry_clear_remove(bench: Bench) -> None:
    bench.queue("a.jpg", "b.jpg")
    upload = bench.parts.queue.claim(bench.target.id)
    assert upload is not None
    bench.parts.queue.refuse(upload, "not taken")
    assert [bench.do("pause"), bench.targets()[0].is_on] == [303, False]
    assert [bench.do("resume"), bench.targets()[0].is_on] == [303, True]
    assert "not taken" in bench.admin.get("/targets").text
    assert bench.do("retry") == 303
    assert bench.parts.queue.summary(bench.target.id).refused == 0
    assert bench.admin.get(f"/targets/{bench.target.id}/clear").status == 200
    assert bench.parts.queue.summary(bench.target.id).waiting == 2, "it has only asked"
    assert bench.do("clear") == 303
    summary = bench.parts.queue.summary(bench.target.id)
    assert (summary.waiting, summary.dropped) == (0, 2)
    bench.queue("c.jpg")
    assert bench.do("remove") == 303
    assert bench.targets() == ()
    assert bench.parts.credentials.names() == ()
    assert bench.parts.queue.claim(bench.target.id) is None
    told = [entry.action for entry in bench.parts.audit.page()]
    assert told[:5] == ["target removed", "target's queue cleared", "target retried", "target resumed", "target paused"]


def test_staff_looks_and_touches_nothing(bench: Bench) -> None:
    page = bench.staff.get("/targets")
    assert page.status == 200
    assert "Observatory" in page.text
    assert "<form" not in page.text.partition("<main")[2]
    assert bench.staff.get(f"/targets/{bench.target.id}").status == 403
    for act in ("pause", "resume", "retry", "clear", "test", "trust", "remove"):
        assert bench.staff.post(f"/targets/{bench.target.id}/{act}", {}).status == 403
    assert bench.staff.post("/targets/save", FORM).status == 403
    assert bench.targets() == (bench.target,)


def test_what_there_is_not_is_said(bench: Bench) -> None:
    assert bench.admin.get("/targets/nothing1").status == 404
    assert bench.admin.post("/targets/nothing1/remove", {}).status == 404
    assert bench.do("explode") == 404


def test_targets_of_notices_are_made_in_the_panel_and_what_is_secret_of_an_address_is_not_shown(bench: Bench) -> None:
    hook = {
        "kind": "webhook", "id": "", "target.title": "Chat", "target.address": "https://hooks.example/services/",
        "target.format": "slack", "target.least_severity": "error", "target.is_on": "on",
        "secret-path": "T0000/B0000/" + PASSWORD, "secret-secret": PASSWORD, "secret-token": PASSWORD,
    }  # fmt: skip
    mail = {
        "kind": "mail", "id": "", "target.title": "Me", "target.host": "mail.example", "target.security": "none",
        "target.sender": "sky@example.net", "target.recipients": "ada@example.net", "secret-password": PASSWORD,
    }  # fmt: skip
    for form in (hook, mail):
        assert bench.admin.post("/targets/save", form).status == 303
    chat, me = bench.parts.settings.published.value.targets[-2:]
    assert isinstance(chat, WebhookTarget)
    found = bench.safe.secret_of(chat, "path")
    assert found is not None
    assert found.reveal() == "T0000/B0000/" + PASSWORD
    for path in ("/targets", f"/targets/{chat.id}", f"/targets/{me.id}", "/audit", "/settings/revisions", "/api/v1/settings"):
        assert PASSWORD not in bench.admin.get(path).text, path
    page = bench.admin.get(f"/targets/{chat.id}").text
    assert "Posts a notice with the event test" in page
    assert "target.pictures" not in page
    assert "without encryption" in bench.admin.get(f"/targets/{me.id}").text
    wrong = bench.admin.post("/targets/save", {**mail, "target.recipients": "ada"})
    assert wrong.status in {400, 422}
    assert "must be up to 10 addresses" in wrong.text


def test_what_is_wrong_with_a_mail_server_is_said_in_its_own_words(bench: Bench) -> None:
    form = {
        "kind": "mail", "id": "", "target.title": "Me", "target.host": "mail.example", "target.sender": "sky@example.net",
        "target.recipients": "ada@example.net",
    }  # fmt: skip
    assert bench.admin.post("/targets/save", form).status == 303
    me = bench.parts.settings.published.value.targets[-1]
    checked = Checked(bench.parts.clock.now(), fault=Fault.RIGHT, message="553 not yours")
    bench.parts.couriers._results.publish({me.id: checked})  # type: ignore[attr-defined]
    page = bench.admin.get(f"/targets/{me.id}").text
    assert "Sender or recipient is refused." in page
    assert "Check From and To" in page
    assert Fault.RIGHT.sentence not in page
