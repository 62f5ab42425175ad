"""The machine's own access point: opened, told of in the panel, closed again.

An admin opens it with a fresh key each time. The key with which it opens by itself stays the same: it is read from a card
that has to be taken out for it, and from a screen that somebody has to walk to.
"""

import logging
from collections.abc import Callable
from uuid import uuid4

from appliance.domain.clock import Clock
from appliance.domain.errors import MachineError
from appliance.domain.health import Severity
from appliance.domain.network import Card, OwnPoint
from appliance.domain.secret import Secret
from appliance.host.connections import Attempt, Connections, Survey
from appliance.host.profiles import point_profile
from appliance.housekeeping.point import PointFacts, PointStep, next_point
from appliance.security.tokens import new_point_key
from appliance.supervisor.health import HealthBoard

log = logging.getLogger(__name__)

ADDRESS = "10.42.0.1"
"""Of the panel in it; NetworkManager's own choice for networks that it hands out."""
UP_WITHIN_S = 60.0
_OPEN, _FAILED = "network.point", "network.point-failed"


class OwnPointKeeper:
    """Opens and closes it; raises what `Connections` raises. Its key is in no issue, which may go out by mail.

    Parameters
    ----------
    kept_key : callable
        Returns the key with which it opens by itself.
    """

    def __init__(
        self, connections: Connections, name: str, kept_key: Callable[[], Secret[str]], board: HealthBoard, clock: Clock
    ) -> None:
        self._connections, self._name, self._kept_key = connections, name, kept_key
        self._board, self._clock = board, clock
        self._attempt: Attempt | None = None
        self.point: OwnPoint | None = None
        """While it is open, or being opened."""
        self._began_s: float | None = None
        self._looking_since_s: float | None = None
        self._started_s = clock.monotonic()
        self._was_connected = self._is_swept = False
        self._is_wanted: bool | None = None

    def begin(self, card: Card, key: Secret[str] | None = None) -> Attempt:
        """Begin to open it on a card, with a fresh key unless one is given."""
        point = OwnPoint(self._name, key or new_point_key(), ADDRESS)
        self._attempt = self._connections.begin(point_profile(str(uuid4()), card.name, point), card.path)
        self.point, self._began_s, self._looking_since_s = point, self._clock.monotonic(), None
        log.info("network: own access point opens: %s", self._name)
        return self._attempt

    def keep(self) -> None:
        """Leave open what an admin has opened, until an admin closes it."""
        self._is_wanted = True
        self._say_open()

    def let_go(self) -> None:
        """Forget what was closed by somebody else: NetworkManager, with all that was undone."""
        self._attempt = self.point = self._began_s = None
        self._board.clear_issue(_OPEN)

    def come_back(self) -> None:
        """Expect it to be open again soon: a change that had closed it was undone."""
        if self.point is not None:
            self._began_s = self._clock.monotonic()

    def close(self, *, is_wanted: bool | None) -> None:
        """Close it where it is open; whether it may open by itself again depends on what is wanted."""
        attempt, self._is_wanted = self._attempt, is_wanted
        self.let_go()
        if attempt is not None:
            try:
                self._connections.forget(attempt.saved)
            except MachineError as error:
                log.info("network: own access point was closed already: %s", error)

    def tend(self, survey: Survey, *, is_changing: bool, asked_s: float) -> None:
        """Open or close it where that is due, and see whether it is up."""
        self._sweep(survey)
        is_connected = any(card.is_connected for card in survey.cards)
        self._was_connected |= is_connected
        card = next((card for card in survey.cards if card.can_be_point), None)
        facts = PointFacts(
            now_s=self._clock.monotonic(),
            started_s=self._started_s,
            can_open=card is not None,
            is_connected=is_connected,
            was_connected=self._was_connected,
            knows_wifi=any(saved.is_wifi and not saved.is_own_point for saved in survey.saved),
            is_changing=is_changing,
            opened_s=self._began_s,
            looking_since_s=self._looking_since_s,
            is_wanted=self._is_wanted,
            asked_s=asked_s,
        )
        match next_point(facts):
            case PointStep.OPEN if card is not None:
                self._open(card, survey)
            case PointStep.CLOSE:
                self._looking_since_s = facts.now_s
                self.close(is_wanted=None)
            case _ if not is_changing:
                self._check(survey, facts.now_s)

    def _sweep(self, survey: Survey) -> None:
        """Close once what a former self has left open: nobody knows its key any more."""
        if not self._is_swept:
            for saved in survey.saved:
                if saved.is_own_point:
                    self._connections.forget(saved.path)
            self._is_swept = True

    def _open(self, card: Card, survey: Survey) -> None:
        try:
            if not survey.is_wifi_on:
                self._connections.switch_wifi_on()
            self.begin(card, self._kept_key())
        except MachineError as error:
            self._give_up(str(error))

    def _check(self, survey: Survey, now_s: float) -> None:
        if self._attempt is None or self._began_s is None:
            return
        if any(card.is_point and card.connection == self._attempt.saved for card in survey.cards):
            self._say_open()
        elif now_s - self._began_s > UP_WITHIN_S:
            self._give_up(f"it was not up within {UP_WITHIN_S:.0f} s")

    def _give_up(self, reason: str) -> None:
        """Say so, and try again after a while."""
        log.warning("network: own access point: %s", reason)
        self.close(is_wanted=None)
        self._looking_since_s = self._clock.monotonic()
        self._board.raise_issue(
            _FAILED,
            Severity.WARNING,
            f"The machine's own Wi-Fi network could not be opened: {reason}",
            "It is tried again. A network cable leads to the panel as well.",
        )

    def _say_open(self) -> None:
        self._board.clear_issue(_FAILED)
        self._board.raise_issue(
            _OPEN,
            Severity.INFO,
            f"The Wi-Fi network {self._name} of this machine is open",
            f"Its key is on the page Network, on the machine's screen and in SETUP.TXT. Whoever joins it reaches the panel at https://{ADDRESS}.",
        )
