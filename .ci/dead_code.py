"""Find code that nothing uses: vulture, which reads Python, told also what templates use and what becomes JSON field by field."""

import re
import sys
from pathlib import Path

from vulture.config import make_config
from vulture.core import Vulture

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = "appliance/web/templates/**/*.*"
BECOMES_JSON = "appliance/web/api/views.py"
"""Values that are encoded whole: each of their fields is used by being there."""


def main() -> int:
    """Print what is not used, as `[tool.vulture]` in pyproject.toml asks; the exit code is 1 if there is any."""
    config = make_config([f"--config={ROOT / 'pyproject.toml'}"])
    vulture = Vulture(ignore_names=config["ignore_names"], ignore_decorators=config["ignore_decorators"])
    vulture.scavenge([ROOT / path for path in config["paths"]])
    for template in ROOT.glob(TEMPLATES):
        vulture.used_names.update(re.findall(r"[A-Za-z_]\w*", template.read_text(encoding="utf-8")))
    vulture.used_names.update(re.findall(r"^    (\w+):", (ROOT / BECOMES_JSON).read_text(encoding="utf-8"), re.MULTILINE))
    return int(vulture.report(min_confidence=config["min_confidence"]))


if __name__ == "__main__":
    sys.exit(main())
