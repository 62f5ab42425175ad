"""How `./build.sh test` deals the tests out to two processes: by the file, and the guest's files as one, which begin first."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

GUEST = "tests/integration/guest/"
"""Its files share one virtual machine, which takes longest to start."""


class WholeFiles(LoadFileScheduling):  # type: ignore[misc]  # it ships no types
    """Keeps a file in one process, as each sets up what it needs once."""

    def _split_scope(self, nodeid: str) -> str:
        return GUEST if nodeid.startswith(GUEST) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WholeFiles:
    """Have it obeyed."""
    return WholeFiles(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end one process alone would be busy with it."""
    items.sort(key=lambda item: not item.nodeid.startswith(GUEST))
