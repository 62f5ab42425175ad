"""What the panel's pages and the update service share."""

from dataclasses import dataclass

from appliance.domain.update import UpdateCommand, Updater
from appliance.store.bundles import BundleStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.web.ports import UpdateRecords


@dataclass(frozen=True, slots=True)
class UpdateParts:
    """Stores and channels of updates."""

    bundles: BundleStore
    updater: Published[Updater]
    commands: Mailbox[UpdateCommand]
    records: UpdateRecords
