"""The whole program in a network of its own, whose address changes under it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.process.appliance import ROOT

pytestmark = pytest.mark.needs("indiserver", "unshare", "ip")

_INSIDE = """
import http.client, ssl, subprocess, sys, time
from pathlib import Path
from tests.integration.process.appliance import Appliance

def trusting(appliance):
    return ssl.create_default_context(cafile=str(appliance.data / "tls" / "ca.pem"))

def certified(appliance, address):
    connection = http.client.HTTPSConnection("127.0.0.1", appliance.port, timeout=20, context=trusting(appliance))
    connection.connect()
    names = connection.sock.getpeercert()["subjectAltName"]
    connection.close()
    return ("IP Address", address) in names

def asked(connection):
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    return answer.status

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with Appliance(Path(sys.argv[1])) as appliance:
    live = http.client.HTTPSConnection("127.0.0.1", appliance.port, timeout=20, context=trusting(appliance))
    print(asked(live), certified(appliance, "10.9.8.7"))
    sock = live.sock
    for verb in ("add", "del"):
        subprocess.run(["ip", "addr", verb, "10.9.8.7/32", "dev", "lo"], check=True)
        began = time.monotonic()
        while certified(appliance, "10.9.8.7") != (verb == "add") and time.monotonic() < began + 70:
            time.sleep(1)
            asked(live)
        print(verb, certified(appliance, "10.9.8.7"), time.monotonic() - began < 60, asked(live), live.sock is sock)
"""


def test_a_changed_address_is_certified_within_a_minute_and_a_live_connection_goes_on(tmp_path: Path) -> None:
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-c", _INSIDE, str(tmp_path / "data")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    if "unshare" in ended.stderr and "Operation not permitted" in ended.stderr:
        pytest.skip("this machine gives no network namespace to its users")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["200 False", "add True True 200 True", "del False True 200 True"]
