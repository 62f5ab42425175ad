"""The panel's certificates over real connections: what openssl, sslyze, testssl.sh and Chromium make of them."""

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.request import urlopen

import pytest

from appliance.security.addresses import LocalAddresses
from appliance.store.files import DataFolder
from appliance.supervisor.health import HealthBoard
from appliance.web.certificates import CHECK_EVERY_S, CertificateKeeper, Machine
from appliance.web.issuer import Issuer
from appliance.web.tls import Front
from appliance.web.waitress_side import ApplicationServer
from tests.integration.web.tlssite import app
from tests.unit.web.gatehouse import SettableClock
from tests.unit.web.test_certificates import own

ROOT = Path(__file__).parents[3]


@dataclass
class Site:
    port: int
    root: Path
    """The authority's certificate."""

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.root))


@contextmanager
def process_site(folder: Path, configured: str) -> Iterator[Site]:
    command = [sys.executable, "-m", "tests.integration.web.tlssite", str(folder), configured]
    environment = {name: value for name, value in os.environ.items() if name != "OPENSSL_CONF"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Site(int(process.stdout.readline()), folder / "tls" / "ca.pem")
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module", params=["yes", "no"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a running site, once with our configuration of OpenSSL and once without."""
    with process_site(tmp_path_factory.mktemp("site") / "data", request.param) as site:
        yield site


def s_client(site: Site, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-CAfile", str(site.root), "-verify_return_error"]
    return subprocess.run([*command, *more], input="Q\n", capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    ("signatures", "shown"), [("ECDSA+SHA256", "Peer signature type: ECDSA"), ("RSA-PSS+SHA256", "Peer signature type: RSA-PSS")]
)
def test_one_address_serves_both_kinds_of_key_to_clients_that_trust_the_root(
    site: Site, version: str, signatures: str, shown: str
) -> None:
    # The RSA leaf is signed with SHA-512 by RSA: an old client says that it can check that.
    known = f"{signatures}:RSA+SHA512:RSA+SHA256" if "RSA-PSS" in signatures else f"{signatures}:RSA+SHA512"
    ended = s_client(site, version, "-sigalgs", known, "-verify_hostname", "nightjar.local")
    assert "Verify return code: 0 (ok)" in ended.stdout, ended.stdout + ended.stderr
    assert shown in ended.stdout


@pytest.mark.needs("openssl")
def test_a_client_that_can_gets_p256(site: Site) -> None:
    for version in ("-tls1_2", "-tls1_3"):
        assert "Peer signature type: ECDSA" in s_client(site, version, "-verify_ip", "127.0.0.1").stdout


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_older_versions_of_tls_are_refused(site: Site, version: str) -> None:
    ended = s_client(site, version, "-cipher", "ALL:@SECLEVEL=0")
    assert ended.returncode != 0
    assert "Cipher is (NONE)" in ended.stdout


@pytest.mark.needs("openssl")
def test_without_the_root_the_chain_is_refused(site: Site) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-verify_return_error"]
    ended = subprocess.run(command, input="Q\n", capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode != 0


def test_python_trusts_each_name_with_the_root_and_none_without(site: Site) -> None:
    with urlopen(f"https://localhost:{site.port}/", context=site.trusting()) as answer:
        assert b"a trusted panel" in answer.read()
    with urlopen(f"https://127.0.0.1:{site.port}/", context=site.trusting()) as answer:
        assert answer.status == 200
    for context, name in ((ssl.create_default_context(), "nightjar.local"), (site.trusting(), "example.org")):
        with (
            socket.create_connection(("127.0.0.1", site.port)) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
            context.wrap_socket(plain, server_hostname=name),
        ):
            pass


def sslyze(site: Site, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "sslyze", "--mozilla_config=intermediate", *more]
    command.append(f"nightjar.local:{site.port}{{127.0.0.1}}")
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


def test_sslyze_finds_it_within_mozillas_intermediate_profile(site: Site, tmp_path: Path) -> None:
    ended = sslyze(site, f"--certinfo_ca_file={site.root}", f"--json_out={tmp_path / 'scan.json'}")
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    result = json.loads((tmp_path / "scan.json").read_text())["server_scan_results"][0]["scan_result"]
    deployments = result["certificate_info"]["result"]["certificate_deployments"]
    keys = {deployment["received_certificate_chain"][0]["public_key"]["algorithm"] for deployment in deployments}
    assert len(keys) == 2
    curves = {curve["name"] for curve in result["elliptic_curves"]["result"]["supported_curves"]}
    print(f"groups: {sorted(curves)}")
    assert curves in ({"X25519", "secp256r1", "secp384r1"}, {"secp256r1"})


def test_sslyze_does_refuse_a_chain_that_it_cannot_follow(site: Site) -> None:
    ended = sslyze(site)
    assert ended.returncode != 0
    assert "certificate_path_validation" in ended.stdout


@pytest.mark.needs("testssl")
def test_testssl_finds_nothing_high_but_what_a_private_authority_always_gets(tmp_path: Path) -> None:
    with process_site(tmp_path / "data", "yes") as site:
        report = tmp_path / "report.json"
        checks = ["--fast", "--protocols", "--server-defaults", "--std", "--vulnerable", "--server-preference"]
        files = ["--add-ca", str(site.root), "--jsonfile", str(report)]
        command = ["testssl", "--quiet", "--color", "0", "--ip", "127.0.0.1", *files, *checks, f"nightjar.local:{site.port}"]
        subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
        findings = json.loads(report.read_text())
    assert len(findings) > 60
    grave = {finding["id"].split()[0] for finding in findings if finding["severity"] in ("HIGH", "CRITICAL")}
    assert grave == {"cert_revocation"}


@dataclass
class Renewed:
    """A site in this process, whose machine and time a test moves."""

    keeper: CertificateKeeper
    clock: SettableClock
    machine: list[Machine]
    port: int

    def connect(self, name: str = "nightjar.local") -> ssl.SSLSocket:
        context = ssl.create_default_context(cadata=self.keeper.authority_pem.decode())
        if self.keeper.own is not None:
            context.load_verify_locations(cadata=self.keeper.own.pem.reveal().decode().partition("-----BEGIN PRIVATE")[0])
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=20), server_hostname=name)

    def later(self) -> None:
        self.clock.run(CHECK_EVERY_S)
        self.keeper.step()


def names_of(connection: ssl.SSLSocket, kind: str) -> list[str]:
    """Return the alternative names of one kind, `DNS` or `IP Address`, in the certificate of the other side."""
    certificate = connection.getpeercert()
    assert certificate is not None
    return [str(entry[1]) for entry in certificate["subjectAltName"] if entry[0] == kind]


def ask(connection: ssl.SSLSocket, host: str = "nightjar.local") -> bytes:
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while b"</title>" not in answer:
        piece = connection.recv(4096)
        assert piece, answer
        answer += piece
    return answer


@pytest.fixture
def renewed(tmp_path: Path) -> Iterator[Renewed]:
    folder, clock = DataFolder(tmp_path / "data"), SettableClock()
    clock.wall = clock.now().now(clock.wall.tzinfo)
    folder.open()
    machine = [Machine("roof", LocalAddresses((ip_address("192.168.1.17"),), ()))]
    keeper = CertificateKeeper(folder, clock, HealthBoard(clock), Issuer(folder, "7K3M9QXZ"), lambda: machine[0])
    keeper.open()
    server = ApplicationServer(app)
    server.start()
    listener = socket.create_server(("127.0.0.1", 0))
    front = Front(keeper.context, server.hand_over, keeper.is_ours)
    port = listener.getsockname()[1]
    front.start([listener])
    yield Renewed(keeper, clock, machine, port)
    front.stop()
    server.stop(5)
    folder.close()


def test_a_changed_address_is_served_to_new_connections_and_live_ones_go_on(renewed: Renewed) -> None:
    with renewed.connect() as live:
        assert b"a trusted panel" in ask(live)
        renewed.machine[0] = Machine("barn", LocalAddresses((ip_address("10.0.0.9"),), ()))
        renewed.later()
        with renewed.connect("barn.local") as new:
            assert names_of(new, "IP Address") == ["127.0.0.1", "0:0:0:0:0:0:0:1", "10.0.0.9"]
            assert b"a trusted panel" in ask(new, "barn.local")
        assert names_of(live, "IP Address")[-1] == "192.168.1.17"
        assert b"a trusted panel" in ask(live)


def test_an_imported_certificate_is_served_for_its_names_and_the_devices_for_all_others(renewed: Renewed) -> None:
    renewed.keeper.import_own(*own())
    devices = ["roof.local", "nightjar.local", "localhost"]
    for name, hosts in (("allsky.example.org", ["allsky.example.org"]), ("nightjar.local", devices)):
        with renewed.connect(name) as connection:
            assert names_of(connection, "DNS") == hosts
            ask(connection, name)
    with renewed.connect("127.0.0.1") as connection:
        ask(connection, f"127.0.0.1:{renewed.port}")
    renewed.keeper.remove_own()
    with pytest.raises(ssl.SSLCertVerificationError):
        renewed.connect("allsky.example.org")


_IN_ITS_OWN_NETWORK = """
import subprocess, sys
from pathlib import Path
from appliance.store.files import DataFolder
from appliance.supervisor.health import HealthBoard
from appliance.web.certificates import CHECK_EVERY_S, CertificateKeeper
from appliance.web.issuer import Issuer
from tests.unit.web.gatehouse import SettableClock

folder, clock = DataFolder(Path(sys.argv[1])), SettableClock()
folder.open()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
keeper = CertificateKeeper(folder, clock, HealthBoard(clock), Issuer(folder, "7K3M9QXZ"))
keeper.open()
print(*keeper.names.addresses)
for command in ("add 10.9.8.7/32", "add fd00::77/128 nodad", "add 203.0.113.9/32", "del 10.9.8.7/32"):
    subprocess.run(["ip", "addr", *command.split(), "dev", "lo"], check=True)
    clock.run(CHECK_EVERY_S)
    keeper.step()
    print(*keeper.names.addresses, *(f"not:{address}" for address in keeper.left_out))
"""


@pytest.mark.needs("unshare", "ip")
def test_addresses_that_the_kernel_gets_and_loses_are_followed(tmp_path: Path) -> None:
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-c", _IN_ITS_OWN_NETWORK, str(tmp_path / "data")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    if "unshare" in ended.stderr and "Operation not permitted" in ended.stderr:
        pytest.skip("this machine gives no network namespace to its users")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "127.0.0.1 ::1",
        "127.0.0.1 ::1 10.9.8.7",
        "127.0.0.1 ::1 10.9.8.7 fd00::77",
        "127.0.0.1 ::1 10.9.8.7 fd00::77 not:203.0.113.9",
        "127.0.0.1 ::1 fd00::77 not:203.0.113.9",
    ]


def _chromium_title(site: Site, home: Path, *, trusts: bool) -> str:
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    subprocess.run(["certutil", "-d", f"sql:{database}", "-N", "--empty-password"], check=True, capture_output=True)
    if trusts:
        add = ["certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "nightjar", "-i", str(site.root)]
        subprocess.run(add, check=True, capture_output=True)
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--user-data-dir={home / 'profile'}",
        "--host-resolver-rules=MAP nightjar.local 127.0.0.1", f"https://nightjar.local:{site.port}/",
    ]  # fmt: skip
    ended = subprocess.run(
        command, env=os.environ | {"HOME": str(home)}, capture_output=True, text=True, check=False, timeout=120
    )
    return ended.stdout


@pytest.mark.needs("chromium", "certutil")
def test_a_chromium_that_trusts_the_root_opens_the_panel_without_a_warning(tmp_path: Path) -> None:
    with process_site(tmp_path / "data", "yes") as site:
        assert "<title>a trusted panel</title>" in _chromium_title(site, tmp_path / "trusting", trusts=True)
        assert "a trusted panel" not in _chromium_title(site, tmp_path / "doubting", trusts=False)
