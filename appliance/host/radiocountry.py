"""Whose rules the radios follow: an order to root, who alone may tell the kernel; `nightjar-firstboot` reads it and keeps it."""

import re
from pathlib import Path

from appliance.domain.errors import InputError, MachineError, UnavailableError
from appliance.host.orders import leave_order

ORDER = "wifi-country"
_CODE = re.compile(r"[A-Z]{2}\Z")


class RadioCountry:
    """Orders it; who shows the network finds out what came of it.

    Parameters
    ----------
    folder : Path or None
        Of what root reads; None where nobody reads it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def is_available(self) -> bool:
        """Whether this machine's country can be set from here."""
        return self._folder is not None and self._folder.is_dir()

    def order(self, untrusted_code: str) -> str:
        """Order a country; return its code.

        Raises
        ------
        InputError
            If it is no two letters.
        UnavailableError, MachineError
            If nobody takes the order, or it cannot be left.
        """
        code = untrusted_code.strip().upper()
        if not _CODE.match(code):
            raise InputError("Write the country as two letters, for instance AT.")
        if self._folder is None or not self.is_available:
            raise UnavailableError("not available on this machine: only the appliance's country can be set")
        try:
            leave_order(self._folder / ORDER, f"{code}\n")
        except OSError as error:
            raise MachineError(f"the country cannot be ordered: {error.strerror}") from error
        return code
