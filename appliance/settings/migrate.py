"""Settings of an older release brought up to today's schema, one pure step a version."""

from collections.abc import Callable, Mapping
from typing import Any

from appliance.domain.errors import Problem, SettingsError
from appliance.settings.schema import VERSION

Tree = dict[str, Any]
"""Settings before they are parsed: JSON of any shape."""

STEPS: Mapping[int, Callable[[Tree], Tree]] = {}
"""By the version that a step starts from. Each returns a new tree and must cope with one that is not quite right."""


def migrate(version: int, tree: Tree, *, steps: Mapping[int, Callable[[Tree], Tree]] = STEPS, target: int = VERSION) -> Tree:
    """Return a tree of `version` as one of `target`.

    Raises
    ------
    SettingsError
        If the version is newer than this program, or no version at all.
    """
    if version > target:
        message = (
            f"were saved by a newer Nightjar (version {version}, this one knows {target}); update it, or save them again here"
        )
        raise SettingsError((Problem("version", message),))
    if version < 1:
        raise SettingsError((Problem("version", f"is {version}; versions begin with 1"),))
    for number in range(version, target):
        tree = steps[number](tree)
    return tree
