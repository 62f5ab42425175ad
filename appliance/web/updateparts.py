"""What the panel's pages and the update service share."""

from dataclasses import dataclass

from appliance.domain.update import CheckChannel, UpdateCommand, Updater
from appliance.store.bundles import BundleStore
from appliance.store.channelstate import ChannelStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.web.ports import UpdateRecords


@dataclass(frozen=True, slots=True)
class UpdateParts:
    """Stores and channels of updates."""

    bundles: BundleStore
    updater: Published[Updater]
    commands: Mailbox[UpdateCommand]
    records: UpdateRecords
    channel: ChannelStore
    channel_commands: Mailbox[CheckChannel]
