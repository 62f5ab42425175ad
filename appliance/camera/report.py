"""What the camera service tells others: its status for the panel, its counts, its issues."""

from dataclasses import replace
from datetime import timedelta

from appliance.camera.port import CameraDescription
from appliance.domain.clock import Clock
from appliance.domain.frame import CameraStatus, Exposure
from appliance.domain.health import Severity
from appliance.settings.schema import Camera, Transport
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard

ABSENT, HUNG, FRAME = "camera.absent", "camera.hung", "camera.frame"


class CameraReport:
    """Publishes what has changed, and nothing else."""

    def __init__(self, status: Published[CameraStatus], board: HealthBoard, clock: Clock) -> None:
        self._status, self._board, self._clock = status, board, clock
        self._is_absent = False

    @property
    def is_paused(self) -> bool:
        """Whether the last published state is `paused`."""
        return self._status.value.state == "paused"

    def count(self, *, started: int = 0, received: int = 0, dropped: int = 0) -> None:
        """Add to the counts: every exposure is started once, and then received or dropped."""
        old = self._status.value
        self._status.publish(
            replace(old, started=old.started + started, received=old.received + received, dropped=old.dropped + dropped)
        )

    def tell(
        self,
        state: str,
        message: str,
        *,
        description: CameraDescription | None,
        exposure: Exposure | None = None,
        expected_in_s: float | None = None,
    ) -> None:
        """Publish a state if it says something new.

        Parameters
        ----------
        expected_in_s : float, optional
            Real seconds until the next picture should stand in the panel; read when an exposure starts or the state changes,
            so that waiting does not publish a slightly different moment every second.
        """
        old = self._status.value
        if state == "starting" and self._is_absent:
            state = "absent"
        expected_at = None
        if expected_in_s is not None:
            expected_at = old.next_expected_at
            if state != old.state or state == "exposing" or expected_at is None:
                expected_at = self._clock.now() + timedelta(seconds=expected_in_s * self._clock.rate)
        new = replace(
            old,
            state=state,
            device=description.device if description and state not in ("starting", "absent") else None,
            message=message,
            exposure=exposure or old.exposure,
            next_expected_at=expected_at,
            devices=description.devices if description else old.devices,
        )
        if new != old:
            self._status.publish(new)

    def absent(self, reason: str, camera: Camera, *, has_driver: bool = True) -> None:
        """Raise the issue that no camera can be reached, or that nobody has chosen a driver for one."""
        self._is_absent = True
        if not has_driver:
            self._board.raise_issue(
                ABSENT, Severity.ERROR, "No pictures: no driver is chosen for the camera",
                "Plug the camera in and choose its driver on the page Camera driver, which System leads to.",
            )  # fmt: skip
            return
        place = "on this appliance" if camera.transport is Transport.LOCAL else f"at {camera.remote_host}"
        self._board.raise_issue(
            ABSENT, Severity.ERROR, f"No pictures: {reason}",
            f"Looking for {camera.device or 'a camera'} {place}, again and again. "
            "Check its cable and power, and the device named in the settings.",
        )  # fmt: skip

    def hung(self) -> None:
        """Raise the issue that an exposure does not end."""
        self._board.raise_issue(
            HUNG, Severity.ERROR, "The camera does not deliver its frame",
            "The exposure is stopped, then the connection, the driver and the server are restarted, one after another.",
        )  # fmt: skip

    def bad_frame(self, reason: str) -> None:
        """Raise the issue that what came is no frame."""
        self._board.raise_issue(
            FRAME, Severity.WARNING, f"A frame could not be read: {reason}",
            "The next exposure goes on. If this stays, check the camera's cable, its driver and its format settings.",
        )  # fmt: skip

    def well(self) -> None:
        """Take every issue down: a good frame has come."""
        self._is_absent = False
        for key in (ABSENT, HUNG, FRAME):
            self._board.clear_issue(key)
