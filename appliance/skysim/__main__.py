"""Runs the sky simulator as an INDI driver, on standard input and output; indiserver starts it through `nightjar-sky`."""

import asyncio
import os
import sys

from appliance.domain.clock import VARIABLE, Clock, clock_from
from appliance.domain.errors import StartError
from appliance.skysim.config import scene_from
from appliance.skysim.driver import SkyDriver
from appliance.skysim.scene import Scene
from appliance.skysim.wire import ServerGoneError


async def _drive(scene: Scene, clock: Clock) -> None:
    await SkyDriver(scene, clock).asyncrun()


def main() -> int:
    """Drive until indiserver is gone; return the exit code."""
    try:
        scene, clock = scene_from(os.environ), clock_from(os.environ.get(VARIABLE))
    except StartError as error:
        sys.stderr.write(f"nightjar-sky: {error}\n")
        return 2
    try:
        asyncio.run(_drive(scene, clock))
    except* ServerGoneError:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
