"""FTPS against real servers: every byte, every fault by its name, no certificate but a trusted one, no password without TLS."""

import io
import random
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.domain.errors import StoppedError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.settings.targets import FtpSecurity
from appliance.uploads.faults import DEADLINE_S
from appliance.uploads.ftp import CHUNK, FtpPlace, FtpTarget
from tests.integration.uploads.certificates import Authority, Issued, self_signed
from tests.integration.uploads.ftpd import PASSWORD, USER, ftpd
from tests.integration.uploads.many import files_of, send_through_a_storm
from tests.integration.uploads.served import Served

pytestmark = pytest.mark.timeout(300)


@dataclass
class Site:
    """A server with its folder and the authority that signed for it."""

    server: Served
    there: Path
    authority: Authority
    issued: Issued
    place: FtpPlace

    def found(self) -> dict[str, bytes]:
        return {path.relative_to(self.there).as_posix(): path.read_bytes() for path in self.there.rglob("*") if path.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    there = tmp_path / "there"
    (there / "sky").mkdir(parents=True)
    authority = Authority(tmp_path)
    issued = authority.issue("server", "127.0.0.1")
    with ftpd(there, issued) as server:
        place = FtpPlace("127.0.0.1", server.port, USER, "sky", FtpSecurity.EXPLICIT, authority.pem, Secret(PASSWORD))
        yield Site(server, there, authority, issued, place)


def fault_of(place: FtpPlace) -> UploadError:
    began_s = time.monotonic()
    with closing(FtpTarget(place)) as target, pytest.raises(UploadError) as caught:
        target.check()
    assert time.monotonic() - began_s < 4 * DEADLINE_S
    return caught.value


def fault_of_sending(place: FtpPlace, name: str) -> UploadError:
    with closing(FtpTarget(place)) as target, pytest.raises(UploadError) as caught:
        send(target, name, b"sky")
    return caught.value


def send(target: FtpTarget, name: str, data: bytes) -> list[int]:
    seen: list[int] = []
    target.deliver(io.BytesIO(data), len(data), name, seen.append)
    return seen


def test_files_stand_there_whole_under_their_names(site: Site) -> None:
    chance = random.Random(1)
    files = {
        f"2026-01-{day:02}/{number} x.jpg": chance.randbytes(size)
        for day in (30, 31)
        for number, size in enumerate((0, 1, CHUNK, 2_000_001))
    }
    with closing(FtpTarget(site.place)) as target:
        for name, data in files.items():
            seen = send(target, name, data)
            assert seen == sorted(seen)
            assert not data or seen[-1] == len(data)
        name = next(iter(files))
        files[name] = b"new"
        send(target, name, b"new")  # what lay there is replaced
    assert site.found() == {f"sky/{name}": data for name, data in files.items()}


def test_tls_from_the_first_byte(site: Site) -> None:
    site.server.kill()
    implicit = replace(site.place, security=FtpSecurity.IMPLICIT)
    with ftpd(site.there, site.issued, port=site.server.port, tls="implicit"):
        with closing(FtpTarget(implicit)) as target:
            target.check()
            send(target, "2026-01-31/a.jpg", b"sky")
        stranger = fault_of(replace(implicit, certificate=""))
        assert (stranger.fault, stranger.shown) == (Fault.CERTIFICATE, site.issued.pem)
    assert site.found() == {"sky/2026-01-31/a.jpg": b"sky"}


def test_the_test_button_leaves_nothing(site: Site) -> None:
    with closing(FtpTarget(site.place)) as target:
        target.check()
    assert site.found() == {}


def test_login_path_port_and_name(site: Site) -> None:
    assert fault_of(replace(site.place, password=Secret("wrong"))).fault is Fault.LOGIN
    assert fault_of(replace(site.place, folder="typo")).fault is Fault.PATH
    assert fault_of(replace(site.place, host="no-such-name.invalid")).fault is Fault.NAME
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert fault_of(replace(site.place, port=port)).fault is Fault.PORT
    assert fault_of_sending(replace(site.place, folder="typo"), "2026-01-31/a.jpg").fault is Fault.PATH
    assert site.found() == {}


@pytest.mark.parametrize("security", [FtpSecurity.EXPLICIT, FtpSecurity.IMPLICIT])
def test_a_host_that_swallows_everything(site: Site, security: FtpSecurity) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        assert fault_of(replace(site.place, port=hole.getsockname()[1], security=security)).fault is Fault.SILENT


def test_no_right_to_write_and_no_room(site: Site) -> None:
    site.server.kill()
    with ftpd(site.there, site.issued, port=site.server.port, may_write=False):
        assert fault_of(site.place).fault is Fault.RIGHT
        assert fault_of_sending(site.place, "a.jpg").fault is Fault.RIGHT
    with ftpd(site.there, site.issued, port=site.server.port, is_full=True):
        assert fault_of(site.place).fault is Fault.FULL
        assert fault_of_sending(site.place, "a.jpg").fault is Fault.FULL
    assert "sky/a.jpg" not in site.found()


def test_no_certificate_but_a_trusted_one(site: Site, tmp_path: Path) -> None:
    shown = fault_of(replace(site.place, certificate=""))
    assert (shown.fault, shown.shown) == (Fault.CERTIFICATE, site.issued.pem)
    assert fault_of(replace(site.place, certificate=Authority(tmp_path).pem)).fault is Fault.CERTIFICATE
    assert "USER" not in site.server.log.read_text()


@pytest.mark.parametrize("what", ["name", "ended"])
def test_a_certificate_of_the_right_authority_for_another_name_or_time(site: Site, what: str) -> None:
    site.server.kill()
    wrong = site.authority.issue("wrong", "127.0.0.1" if what == "ended" else "other.example", ended=what == "ended")
    with ftpd(site.there, wrong, port=site.server.port) as server:
        error = fault_of(site.place)
        assert (error.fault, error.shown) == (Fault.CERTIFICATE, wrong.pem)
        assert "USER" not in server.log.read_text()


def test_a_pinned_certificate_is_taken_whatever_its_name_and_no_other(site: Site, tmp_path: Path) -> None:
    site.server.kill()
    own = self_signed(tmp_path, "own", "attic.local")
    pinned = replace(site.place, certificate=own.pem)
    with ftpd(site.there, own, port=site.server.port), closing(FtpTarget(pinned)) as target:
        send(target, "a.jpg", b"sky")
    other = self_signed(tmp_path, "other", "attic.local")
    with ftpd(site.there, other, port=site.server.port) as server:
        error = fault_of(pinned)
        assert (error.fault, error.shown) == (Fault.CERTIFICATE, other.pem)
        assert "USER" not in server.log.read_text()
    assert site.found() == {"sky/a.jpg": b"sky"}


def test_a_server_without_tls_gets_no_password_unless_an_admin_has_said_so(site: Site) -> None:
    site.server.kill()
    with ftpd(site.there, site.issued, port=site.server.port, tls="none") as server:
        error = fault_of(site.place)
        assert error.fault is Fault.BROKEN
        assert "offers no TLS" in str(error)
        assert "USER" not in server.log.read_text()
        with closing(FtpTarget(replace(site.place, security=FtpSecurity.NONE))) as target:
            send(target, "a.jpg", b"sky")
    assert site.found() == {"sky/a.jpg": b"sky"}


def test_a_server_with_tls_lets_nobody_in_without(site: Site) -> None:
    assert fault_of(replace(site.place, security=FtpSecurity.NONE)).fault in {Fault.LOGIN, Fault.BROKEN, Fault.RIGHT}
    assert site.found() == {}


def test_a_name_that_would_be_a_command_is_refused(site: Site) -> None:
    with closing(FtpTarget(site.place)) as target, pytest.raises(UploadRefusedError):
        send(target, "a.jpg\r\nDELE b.jpg", b"sky")


def test_a_stop_in_mid_transfer_leaves_no_file_under_its_name(site: Site) -> None:
    def stop(sent: int) -> None:
        if sent > 500_000:
            raise StoppedError("the appliance stops")

    with closing(FtpTarget(site.place)) as target, pytest.raises(StoppedError):
        target.deliver(io.BytesIO(bytes(2_000_000)), 2_000_000, "film.mp4", stop)
    assert "sky/film.mp4" not in site.found()
    with closing(FtpTarget(site.place)) as target:
        send(target, "film.mp4", b"whole")
    assert site.found() == {"sky/film.mp4": b"whole"}


def test_500_files_arrive_whole_once_though_the_server_is_killed_at_random(tmp_path: Path, site: Site) -> None:
    chance = random.Random(3)
    files = files_of(chance)
    site.server.kill()
    port = site.server.port
    send_through_a_storm(tmp_path, files, lambda: FtpTarget(site.place), lambda: ftpd(site.there, site.issued, port=port), chance)
    assert {name.removeprefix("sky/"): data for name, data in site.found().items()} == files
