"""The restart ladder in the whole program: every real service raises, hangs and leaks; frames and pages return."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process.appliance import Appliance, wait_until

pytestmark = [pytest.mark.needs("indiserver"), pytest.mark.timeout(400)]
SERVICES = ("web", "pipeline", "camera", "housekeeping")


@pytest.fixture(scope="module")
def claimed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Appliance, Path]]:
    folder = tmp_path_factory.mktemp("faults")
    faults = folder / "faults"
    faults.mkdir()
    with Appliance(folder / "data", faults=faults) as appliance:
        appliance.claim()
        appliance.set("camera", period_s="1", duration_max_s="0.2")
        yield appliance, faults


@pytest.mark.parametrize("service", SERVICES)
def test_an_exception_costs_one_service_for_a_moment(claimed: tuple[Appliance, Path], service: str) -> None:
    appliance, faults = claimed
    appliance.wait_for_new_frame()
    before = appliance.worker(service)["restarts"]
    pid = appliance.process.pid
    (faults / service).write_text("raise")
    wait_until(lambda: not (faults / service).exists(), 30, "the fault")
    wait_until(lambda: appliance.answers() and appliance.worker(service)["restarts"] == before + 1, 30, "a new service")
    wait_until(lambda: appliance.worker(service)["state"] == "running", 30, "the new service to run")
    assert "a fault that the test asked for" in appliance.worker(service)["last_error"]
    assert [appliance.worker(other)["state"] for other in SERVICES] == ["running"] * len(SERVICES)
    appliance.wait_for_new_frame()
    assert appliance.process.pid == pid
    assert appliance.process.poll() is None


@pytest.mark.parametrize("fault", ["hang", "leak"])
@pytest.mark.parametrize("service", SERVICES)
def test_what_a_process_cannot_heal_ends_it_with_70_and_all_returns(
    claimed: tuple[Appliance, Path], service: str, fault: str
) -> None:
    appliance, faults = claimed
    appliance.wait_for_new_frame()
    (faults / service).write_text(fault)
    assert appliance.process.wait(90) == 70
    log = (appliance.data.parent / "log.txt").read_text()
    assert ("memory ran away" if fault == "leak" else f"worker {service} gave no sign") in log
    appliance.start()  # as systemd's Restart=always does
    assert appliance.get("/").status == 200, "the session is still good"
    appliance.wait_for_new_frame()
