"""What the start found damaged, told once: the database, the data partition."""

from collections.abc import Sequence

from appliance.domain.health import Severity
from appliance.supervisor.health import HealthBoard

_PARTITION = {
    "repaired": (
        Severity.WARNING,
        "The card's data partition was damaged and has been repaired",
        "Look whether the newest nights are complete. A card that does this again should be replaced.",
    ),
    "damaged": (
        Severity.ERROR,
        "The card's data partition is damaged and could not be repaired wholly",
        "Copy the nights to a USB stick, then use another card.",
    ),
    "recreated": (
        Severity.ERROR,
        "The card's data partition was beyond repair and has been made anew",
        "Settings, accounts and pictures that lay on it are gone. Use another card.",
    ),
}


def tell_damage(board: HealthBoard, repairs: Sequence[str], partition: str) -> None:
    """Raise an issue for what was repaired of the database, and for what became of the partition (`OwnerFiles.partition`)."""
    if repairs:
        board.raise_issue(
            "store.repaired",
            Severity.WARNING,
            "The database was damaged and has been repaired",
            f"{'; '.join(repairs)}. Check the settings; a card that does this again should be replaced.",
        )
    if partition in _PARTITION:
        board.raise_issue("store.partition", *_PARTITION[partition])
