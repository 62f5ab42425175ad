"""A gate with real stores behind it, and a clock whose wall time and running time a test moves apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.domain.access import Session
from appliance.domain.secret import Secret
from appliance.store.accounts import AccountStore
from appliance.store.audit import AuditStore
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.recovery import RecoveryStore
from appliance.store.sessions import SessionStore
from appliance.store.throttle import ThrottleStore
from appliance.store.tokens import TokenStore
from appliance.web.login import Gate, GateStores
from appliance.web.people import People
from appliance.web.vaultkeeper import VaultKeeper

PASSWORD = Secret("correct zebra umbrella")
WRONG = Secret("a guess of no value")
HOME = "192.168.1.20"


class SettableClock:
    """Wall time and running time, moved by hand."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 1, 31, 22, 0, tzinfo=UTC)
        self.running_s = 1000.0
        self.is_set = True
        self.rate = 1.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.running_s

    def run(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.running_s += seconds

    def jump(self, days: float) -> None:
        self.wall += timedelta(days=days)


@dataclass
class House:
    """Everything that a test of the gate asks or looks at."""

    folder: DataFolder
    database: Database
    clock: SettableClock
    stores: GateStores
    credentials: CredentialStore
    keeper: VaultKeeper
    gate: Gate
    people: People

    def claim(self, name: str = "anna", address: str = HOME) -> None:
        self.gate.claim(self.gate.setup_code() or "", name, PASSWORD, address)

    def login(self, name: str = "anna", second: str = "", address: str = HOME) -> tuple[Session, Secret[str]]:
        return self.gate.login(name, PASSWORD, second, address, "a browser")

    def actions(self) -> list[str]:
        return [entry.action for entry in reversed(self.stores.audit.page())]

    def new_gate(self, code: Secret[str] | None = None) -> Gate:
        """Return a gate of the next start."""
        return Gate(self.stores, lambda: self.keeper.vault, self.clock, lambda: self.clock.is_set, code)


@contextmanager
def open_house(root: Path) -> Iterator[House]:
    """Give a house in a fresh data folder."""
    clock = SettableClock()
    folder = DataFolder(root / "data")
    folder.open()
    database = Database(folder.root, clock)
    database.open()
    stores = GateStores(
        AccountStore(database, clock), SessionStore(database, clock), TokenStore(database, clock),
        ThrottleStore(database, clock), RecoveryStore(database, clock), AuditStore(database, clock),
    )  # fmt: skip
    keeper = VaultKeeper(folder)
    keeper.open()
    gate = Gate(stores, lambda: keeper.vault, clock, lambda: clock.is_set)
    people = People(gate, stores, lambda: keeper.vault, clock, lambda: clock.is_set)
    yield House(folder, database, clock, stores, CredentialStore(database, clock), keeper, gate, people)
    database.close()
    folder.close()
