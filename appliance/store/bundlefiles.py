"""The small records beside a bundle: JSON in files, taken apart again with the same suspicion as anything that was on a disk."""

import dataclasses
import json
import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from appliance.domain.update import Announced, Bundle, BundleState, Manifest, Refused, RestartPlan, Signer, Source
from appliance.store.files import DataFolder

log = logging.getLogger(__name__)

Record = TypeVar("Record")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_LARGEST = 64 << 10


class JsonFile(Generic[Record]):
    """One record in one file; damage counts as no record."""

    def __init__(self, folder: DataFolder, name: str, parse: Callable[[dict[str, Any]], Record]) -> None:
        self._folder, self._name, self._parse = folder, name, parse

    def read(self) -> Record | None:
        """Return the record; None where there is none, or it is damaged."""
        untrusted = self._folder.read(self._name)
        if untrusted is None:
            return None
        try:
            tree = json.loads(untrusted) if len(untrusted) <= _LARGEST else None
            if not isinstance(tree, dict):
                raise ValueError("not an object")  # noqa: TRY004 - the file's mistake
            return self._parse(tree)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("a record is damaged and counts as none: %s: %s", self._name, error)
            return None

    def write(self, record: Record) -> None:
        """Write the record; StoreError if that fails."""
        if not dataclasses.is_dataclass(record) or isinstance(record, type):
            raise TypeError(f"{record!r} is no record")
        self._folder.write_atomic(self._name, json.dumps(dataclasses.asdict(record), default=_text).encode())

    def remove(self) -> bool:
        """Remove the record; return whether there was one."""
        return self._folder.remove(self._name)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot be written down: {value!r}")


def moment_of(value: object) -> datetime:
    """Return a moment with its zone; ValueError for anything else."""
    if isinstance(value, str):
        when = datetime.fromisoformat(value)
        if when.tzinfo is not None:
            return when
    raise ValueError(f"not a moment: {value!r}")


def text_of(value: object, longest: int = 1000) -> str:
    """Return a text; ValueError for anything else."""
    if isinstance(value, str) and len(value) <= longest:
        return value
    raise ValueError("not a text, or a very long one")


def announced_of(tree: dict[str, Any]) -> Announced:
    """Return what was announced; ValueError if the record is none."""
    size, sha256 = tree["size"], text_of(tree["sha256"])
    if type(size) is not int or size <= 0 or not SHA256.match(sha256):
        raise ValueError("size or hash is none")
    return Announced(size, sha256, Source(tree["source"]), text_of(tree["by"]), moment_of(tree["at"]))


def bundle_of(tree: dict[str, Any]) -> Bundle:
    """Return a bundle; ValueError if the record is none."""
    manifest, signer = tree["manifest"], tree["signer"]
    return Bundle(
        announced_of(tree["announced"]),
        BundleState(tree["state"]),
        None if manifest is None else Manifest(**{name: text_of(manifest[name], 4000) for name in Manifest.__slots__}),
        None
        if signer is None
        else Signer(text_of(signer["name"]), text_of(signer["fingerprint"]), moment_of(signer["valid_until"])),
    )


def refused_of(tree: dict[str, Any]) -> Refused:
    """Return a refused bundle; ValueError if the record is none."""
    return Refused(moment_of(tree["at"]), Source(tree["source"]), text_of(tree["version"]), text_of(tree["reason"]))


def plan_of(tree: dict[str, Any]) -> RestartPlan:
    """Return a planned restart; ValueError if the record is none."""
    return RestartPlan(moment_of(tree["due_at"]), text_of(tree["version"]), text_of(tree["by"]))
