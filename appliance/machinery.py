"""The wiring of the machine around the camera: what stops and starts it, what connects it, what is plugged into it.

    power   -> the machine's power, once the running frame is stored
    network -> the machine's connections, changed on trial, and its own access point
    export  -> USB sticks, by a child process
    update  -> bundles that have come, RAUC, the restart after it
    channel -> the signed list of releases, where an admin has set one
    screen  -> what stands on the appliance's own screen and card: address, setup code

The whole is in `compose.py`.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.clock import Clock
from appliance.domain.commands import CameraCommand, PowerCommand
from appliance.domain.foundbackup import FoundBackups
from appliance.domain.frame import CameraStatus, RawFrame
from appliance.domain.health import QueueHealth
from appliance.domain.network import NetworkCommand, NetworkSituation
from appliance.domain.power import PowerPhase, PowerState
from appliance.domain.secret import Secret
from appliance.domain.stick import Stick, StickCommand
from appliance.domain.update import CheckChannel, UpdateCommand, Updater
from appliance.export.finding import Finding
from appliance.export.service import ExportService
from appliance.export.taking import Taking
from appliance.host.bus import Bus
from appliance.host.connections import Connections
from appliance.host.drives import Drives
from appliance.host.power import Power
from appliance.host.systemd import Units
from appliance.host.update import Updates
from appliance.host.updaterecords import UpdateRecords
from appliance.housekeeping.channelling import ChannelService
from appliance.housekeeping.connecting import ConnectingService
from appliance.housekeeping.fetching import Fetcher
from appliance.housekeeping.releasing import Releasing
from appliance.housekeeping.shutdown import ShutdownService
from appliance.housekeeping.updating import UpdateService
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.channelstate import ChannelStore
from appliance.store.files import DataFolder
from appliance.store.incoming import Incoming
from appliance.store.jobs import JobStore
from appliance.store.sticks import StickStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.worker import WorkerSpec
from appliance.web.screen import PresenceParts, ScreenService
from appliance.web.updateparts import UpdateParts


class MachineChannels:
    """What passes between the panel and the machine's services.

    Parameters
    ----------
    waiting : int
        How many commands of a kind may wait.
    """

    def __init__(self, waiting: int) -> None:
        self.power: Mailbox[PowerCommand] = Mailbox("power commands", waiting)
        self.power_state: Published[PowerState] = Published(PowerState(PowerPhase.RUNNING))
        self.network_commands: Mailbox[NetworkCommand] = Mailbox("network commands", waiting)
        self.network_situation: Published[NetworkSituation] = Published(NetworkSituation())
        self.sticks: Published[tuple[Stick, ...]] = Published(())
        self.stick_commands: Mailbox[StickCommand] = Mailbox("stick commands", waiting)
        self.found_backups: Published[FoundBackups | None] = Published(None)
        self.updater: Published[Updater] = Published(Updater())
        self.channel_commands: Mailbox[CheckChannel] = Mailbox("channel commands", waiting)
        self.update_commands: Mailbox[UpdateCommand] = Mailbox("update commands", waiting)

    @property
    def health(self) -> tuple[QueueHealth, ...]:
        """What the system page shows."""
        return (self.power.health, self.network_commands.health, self.stick_commands.health, self.update_commands.health)


def make_update_parts(folder: DataFolder, channels: MachineChannels, records: Path | None) -> UpdateParts:
    """Return what the panel and the services of updates share."""
    return UpdateParts(
        BundleStore(folder),
        channels.updater,
        channels.update_commands,
        UpdateRecords(records),
        ChannelStore(folder),
        channels.channel_commands,
    )


@dataclass(frozen=True, slots=True)
class Machinery:
    """What the machine's services work with."""

    bus: Bus
    channels: MachineChannels
    settings: Published[Settings]
    folder: DataFolder
    device_id: str
    stick_store: StickStore
    jobs: JobStore
    update: UpdateParts
    version: str
    """Of this program."""

    audit: AuditStore
    board: HealthBoard
    clock: Clock
    """The machine's time."""
    sky_clock: Clock

    point_key: Callable[[], Secret[str]]
    """Gives the key with which the machine's own access point opens by itself."""

    frames: Mailbox[RawFrame]
    developed: Published[int]
    camera: Published[CameraStatus]
    camera_commands: Mailbox[CameraCommand]

    presence: PresenceParts | None
    """For the appliance's own screen; None on a computer of yours."""

    def workers(self) -> tuple[WorkerSpec, ...]:
        """Return them all."""
        screen = () if self.presence is None else (_screen(self.presence),)
        return (self._power(), self._network(), self._export(), self._update(), self._channel(), *screen)

    def _power(self) -> WorkerSpec:
        return WorkerSpec(
            "power",
            lambda beat: ShutdownService(
                power=Power(self.bus),
                commands=self.channels.power,
                state=self.channels.power_state,
                camera=self.camera,
                camera_commands=self.camera_commands,
                frames=self.frames,
                developed=self.developed,
                board=self.board,
                clock=self.clock,
                beat=beat,
            ),
            "Switching off and restarting from the panel",
        )

    def _network(self) -> WorkerSpec:
        return WorkerSpec(
            "network",
            lambda beat: ConnectingService(
                Connections(self.bus),
                self.channels.network_commands,
                self.channels.network_situation,
                f"Nightjar-{self.device_id[:4]}",
                self.point_key,
                self.board,
                self.clock,
                beat,
            ),
            "Changing the network",
        )

    def _update(self) -> WorkerSpec:
        return WorkerSpec(
            "update",
            lambda beat: UpdateService(
                rauc=Updates(self.bus),
                units=Units(self.bus),
                records=self.update.records,
                bundles=self.update.bundles,
                jobs=self.jobs,
                audit=self.audit,
                settings=self.settings,
                commands=self.update.commands,
                updater=self.update.updater,
                power=self.channels.power,
                version=self.version,
                board=self.board,
                clock=self.clock,
                sky_clock=self.sky_clock,
                beat=beat,
            ),
            "Updates of the system",
        )

    def _channel(self) -> WorkerSpec:
        fetcher, update = Fetcher(), self.update
        return WorkerSpec(
            "channel",
            lambda beat: ChannelService(
                settings=self.settings,
                states=update.channel,
                bundles=update.bundles,
                jobs=self.jobs,
                audit=self.audit,
                commands=update.channel_commands,
                updater=update.updater,
                records=update.records,
                power=self.channels.power,
                version=self.version,
                device_id=self.device_id,
                fetcher=fetcher,
                releasing=Releasing(self.jobs, update.bundles, update.commands, fetcher, self.clock),
                board=self.board,
                clock=self.clock,
                beat=beat,
            ),
            "Asking for new versions",
        )

    def _export(self) -> WorkerSpec:
        return WorkerSpec(
            "export",
            lambda beat: ExportService(
                drives=Drives(self.bus),
                sticks=self.stick_store,
                jobs=self.jobs,
                audit=self.audit,
                settings=self.settings,
                commands=self.channels.stick_commands,
                published=self.channels.sticks,
                data=self.folder.root,
                device_name=socket.gethostname,
                device_id=self.device_id,
                board=self.board,
                clock=self.clock,
                beat=beat,
                errands=(
                    Taking(self.jobs, self.update.bundles, self.update.commands, self.audit, self.clock),
                    Finding(self.jobs, Incoming(self.folder), self.channels.found_backups, self.clock),
                ),
            ),
            "Copying to USB sticks",
        )


def _screen(presence: PresenceParts) -> WorkerSpec:
    return WorkerSpec("screen", lambda _: ScreenService(presence), "Showing address and setup code")
