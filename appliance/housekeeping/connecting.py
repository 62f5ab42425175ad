"""SERVICE: watches the network, and changes it for an admin so that a change which loses the panel is undone by itself.

A change is begun between NetworkManager's mark of how everything was and the word of somebody who reaches the panel with it.
Without that word NetworkManager restores what was, also if this program, or its network, is gone by then.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never
from uuid import uuid4

from appliance.domain.clock import Clock
from appliance.domain.errors import MachineError
from appliance.domain.network import (
    Card,
    ChangePhase,
    ClosePoint,
    Failure,
    ForgetConnection,
    JoinWifi,
    KeepChange,
    LookForNetworks,
    NetworkCommand,
    NetworkSituation,
    OpenPoint,
    SetAddresses,
    UndoChange,
    shown_name,
)
from appliance.domain.secret import Secret
from appliance.host.connections import Attempt, CardWatch, Connections, Survey
from appliance.host.profiles import cable_profile, wifi_profile
from appliance.housekeeping.every import Every
from appliance.housekeeping.ownpoint import OwnPointKeeper
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

BEGIN_AFTER_S = 2.0
"""The answer to whoever asked goes out by the network as it is."""
CONNECT_S = 90
"""Finding a Wi-Fi network, the handshake, and 45 s for addresses."""
KEEP_S, KEEP_FROM_POINT_S = 90, 300
"""For the word that the panel is reached; longer for who has to leave the machine's own access point, and to log in elsewhere."""
SURVEY_EVERY_S = 5.0
_WAIT_S = 0.5
_LISTEN_S = 0.2

Change = JoinWifi | SetAddresses | OpenPoint
_WORDS = {
    Failure.WRONG_KEY: "the passphrase is wrong, or the access point refused it",
    Failure.NOT_FOUND: "no Wi-Fi network of that name is within reach",
    Failure.NO_ADDRESS: "the network gave no address, because no DHCP server answered: enter addresses by hand",
    Failure.NO_CABLE: "there is no cable in the socket, or nothing at its other end",
    Failure.NOT_SHARED: "addresses could not be handed out in it",
    Failure.OTHER: "it did not come about",
}


@dataclass(slots=True)
class _Trial:
    """A change under way."""

    change: Change
    until_s: float
    """End of the present phase."""
    keep_s: int
    mark: str = ""
    attempt: Attempt | None = None
    watch: CardWatch | None = None


class ConnectingService:
    """Takes commands, publishes the situation; what the machine refuses is a message in that, never an end.

    Parameters
    ----------
    point_name : str
        What the machine's own access point is called.
    point_key : callable
        Returns the key with which it opens by itself.
    """

    def __init__(
        self,
        connections: Connections,
        commands: Mailbox[NetworkCommand],
        situation: Published[NetworkSituation],
        point_name: str,
        point_key: Callable[[], Secret[str]],
        board: HealthBoard,
        clock: Clock,
        beat: Beat,
    ) -> None:
        self._connections, self._commands, self._situation = connections, commands, situation
        self._clock, self._beat = clock, beat
        self._own = OwnPointKeeper(connections, point_name, point_key, board, clock)
        self._survey_due = Every(SURVEY_EVERY_S)
        self._trial: _Trial | None = None
        self._asked_s = float("-inf")

    def open(self) -> None:
        """Begin with what nobody knows; NetworkManager is asked in steps, for it may be away."""
        self._situation.publish(NetworkSituation())

    def step(self) -> None:
        """Take an order, go on with what has begun, look around when that is due; about a second."""
        self._beat()
        command = self._commands.take(_WAIT_S)
        if command is not None:
            self._asked_s = self._clock.monotonic()
            self._take(command)
        if self._trial is not None:
            try:
                self._go_on(self._trial)
            except MachineError as error:
                self._fail(str(error))
        if self._survey_due.is_due(self._clock.monotonic()):
            self._look()

    def close(self) -> None:
        """Leave a change on trial to NetworkManager, which undoes it, and the access point open."""
        if self._trial is not None and self._trial.watch is not None:
            self._trial.watch.close()

    # What is asked

    def _take(self, command: NetworkCommand) -> None:
        """Obey, and say what is refused; only what concerns the change under way may end it."""
        try:
            self._obey(command)
            self._fresh()
        except MachineError as error:
            if isinstance(command, KeepChange | UndoChange):
                self._fail(str(error))
            else:
                log.warning("network: %s", error)
                self._say(f"This was refused: {error}.", is_bad=True)

    def _obey(self, command: NetworkCommand) -> None:
        match command:
            case LookForNetworks():
                self._listen()
            case JoinWifi() | SetAddresses() | OpenPoint():
                self._begin_soon(command)
            case ForgetConnection(uuid):
                self._forget(uuid)
            case ClosePoint():
                self._own.close(is_wanted=False)
                self._say("The machine's own Wi-Fi network is closed.")
            case KeepChange():
                self._keep()
            case UndoChange():
                self._undo()
            case _:
                assert_never(command)

    def _forget(self, uuid: str) -> None:
        for saved in self._fresh().saved:
            if saved.uuid == uuid:
                self._connections.forget(saved.path)
                self._say("The connection is forgotten.")

    def _listen(self) -> None:
        """Have the Wi-Fi listen."""
        survey = self._fresh()
        if not survey.is_wifi_on:
            self._connections.switch_wifi_on()
        if self._own.point is not None:
            self._say("It cannot listen while its own Wi-Fi network is open: these were heard before.", is_bad=True)
            return
        for card in survey.cards:
            if card.is_wifi:
                self._connections.scan(card.path)

    def _begin_soon(self, change: Change) -> None:
        if self._trial is not None:
            log.info("network: a change was asked for while another is under way")
            return
        keep_s = KEEP_FROM_POINT_S if self._own.point is not None or isinstance(change, OpenPoint) else KEEP_S
        self._trial = _Trial(change, self._clock.monotonic() + BEGIN_AFTER_S, keep_s)
        log.info("network: change ordered: %s", _what(change))
        self._tell(ChangePhase.BEGINNING, change=_what(change), message="", is_bad=False)

    # A change, from its beginning to its end

    def _go_on(self, trial: _Trial) -> None:
        now_s = self._clock.monotonic()
        match self._situation.value.phase:
            case ChangePhase.BEGINNING if now_s >= trial.until_s:
                self._begin(trial)
            case ChangePhase.CONNECTING:
                self._connect(trial)
            case ChangePhase.ON_TRIAL:
                if not self._connections.is_marked(trial.mark):
                    self._end("It was undone, because nobody confirmed that the panel is reached with it.", is_bad=True)
        self._count(trial)

    def _begin(self, trial: _Trial) -> None:
        survey, change = self._fresh(), trial.change
        card = _card_for(change, survey)
        if card is None:
            self._end("There is no network card for it.", is_bad=True)
            return
        if card.is_wifi and not survey.is_wifi_on:
            self._connections.switch_wifi_on()
        trial.mark = self._connections.mark(CONNECT_S + trial.keep_s)
        trial.watch = self._connections.watch(card.path)
        match change:
            case JoinWifi(ssid, key, is_hidden):
                profile = wifi_profile(str(uuid4()), ssid, key, is_hidden=is_hidden)
                trial.attempt = self._connections.begin(profile, card.path)
            case SetAddresses(name, ipv4, ipv6):
                if card.connection:
                    trial.attempt = self._connections.readdress(card.connection, card.path, ipv4, ipv6)
                else:
                    trial.attempt = self._connections.begin(cable_profile(str(uuid4()), name, ipv4, ipv6), card.path)
            case OpenPoint():
                trial.attempt = self._own.begin(card)
        trial.until_s = self._clock.monotonic() + CONNECT_S
        self._tell(ChangePhase.CONNECTING)

    def _connect(self, trial: _Trial) -> None:
        failure = trial.watch.take(_LISTEN_S) if trial.watch is not None else None
        if failure is not None:
            self._fail(_WORDS[failure])
        elif trial.attempt is not None and self._connections.is_up(trial.attempt):
            self._connections.prolong(trial.mark, trial.keep_s)
            trial.until_s = self._clock.monotonic() + trial.keep_s
            log.info("network: connected, on trial for %d s", trial.keep_s)
            self._tell(ChangePhase.ON_TRIAL)
        elif self._clock.monotonic() > trial.until_s:
            self._fail(f"it took longer than {CONNECT_S} s")

    def _keep(self) -> None:
        """Take the word that the panel is reached."""
        trial = self._trial
        if trial is None or trial.attempt is None or self._situation.value.phase is not ChangePhase.ON_TRIAL:
            return
        if isinstance(trial.change, OpenPoint):
            self._own.keep()
        else:
            self._connections.save(trial.attempt.saved)
        self._connections.unmark(trial.mark)
        if isinstance(trial.change, JoinWifi):
            self._own.close(is_wanted=None)
            for saved in self._fresh().saved:
                if saved.ssid == trial.change.ssid and saved.path != trial.attempt.saved:
                    self._connections.forget(saved.path)
        self._end("It is kept.", is_kept=True)

    def _undo(self) -> None:
        trial = self._trial
        if trial is None:
            return
        if trial.mark:
            self._connections.restore(trial.mark)
        self._end("It was undone.")

    def _fail(self, reason: str) -> None:
        """Go back to what was before the change under way, and say why."""
        log.warning("network: %s", reason)
        trial = self._trial
        if trial is None:
            return
        if trial.mark:
            try:
                self._connections.restore(trial.mark)
            except MachineError as error:
                log.warning("network: what was before is restored by the system: %s", error)
        self._end(f"{_what(trial.change)}: {reason}.", is_bad=True)

    def _end(self, message: str, *, is_bad: bool = False, is_kept: bool = False) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            if trial.watch is not None:
                trial.watch.close()
            if not is_kept:
                self._own.let_go() if isinstance(trial.change, OpenPoint) else self._own.come_back()
        self._tell(ChangePhase.REST, message=message, is_bad=is_bad, left_s=0)

    # What is told

    def _look(self) -> None:
        """Look around, and see to the access point."""
        try:
            survey = self._fresh()
            self._own.tend(survey, is_changing=self._trial is not None, asked_s=self._asked_s)
            self._publish_survey(survey)
        except MachineError as error:
            nothing = replace(self._situation.value, cards=(), heard=(), saved=())
            self._situation.publish(replace(nothing, unavailable=str(error)))

    def _fresh(self) -> Survey:
        """Ask how everything is now, and tell it."""
        survey = self._connections.survey()
        self._publish_survey(survey)
        return survey

    def _publish_survey(self, survey: Survey) -> None:
        before = self._situation.value
        heard = before.heard if self._own.point is not None and not survey.heard else survey.heard
        self._situation.publish(
            replace(
                before,
                cards=survey.cards,
                heard=heard,
                saved=tuple(saved for saved in survey.saved if not saved.is_own_point),
                point=self._own.point,
                country=self._connections.country(),
                unavailable="",
            )
        )

    def _count(self, trial: _Trial) -> None:
        left_s = max(0, round(trial.until_s - self._clock.monotonic()))
        if self._trial is trial and left_s != self._situation.value.left_s:
            self._situation.publish(replace(self._situation.value, left_s=left_s))

    def _say(self, message: str, *, is_bad: bool = False) -> None:
        self._situation.publish(replace(self._situation.value, change="", message=message, is_bad=is_bad))

    def _tell(
        self, phase: ChangePhase, *, change: str | None = None, message: str | None = None, is_bad: bool | None = None,
        left_s: int | None = None,
    ) -> None:  # fmt: skip
        now = self._situation.value
        self._situation.publish(
            replace(
                now,
                phase=phase,
                change=now.change if change is None else change,
                message=now.message if message is None else message,
                is_bad=now.is_bad if is_bad is None else is_bad,
                left_s=now.left_s if left_s is None else left_s,
                point=self._own.point,
            )
        )


def _card_for(change: Change, survey: Survey) -> Card | None:
    """Return the card that a change is made on."""
    match change:
        case JoinWifi():
            return next((card for card in survey.cards if card.is_wifi), None)
        case SetAddresses(name):
            return next((card for card in survey.cards if card.name == name and (card.connection or not card.is_wifi)), None)
        case OpenPoint():
            return next((card for card in survey.cards if card.can_be_point), None)


def _what(change: Change) -> str:
    match change:
        case JoinWifi(ssid):
            return f"Wi-Fi network {shown_name(ssid)}"
        case SetAddresses(name):
            return f"Addresses of {name}"
        case OpenPoint():
            return "Own Wi-Fi network"
