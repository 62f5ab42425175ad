"""Names our configuration to OpenSSL before Python loads it; imports nothing that would load it first."""

import os
import sys
from pathlib import Path

VARIABLE = "OPENSSL_CONF"
CONFIGURATION = Path(__file__).with_name("openssl.cnf")


def name_configuration() -> bool:
    """Set `OPENSSL_CONF` for this process and its children, unless it is set; return whether that comes in time.

    It is too late once `ssl` or `hashlib` was imported: OpenSSL reads its configuration as it is loaded, once. Then
    `servercontext` restricts the key exchange to P-256 instead.
    """
    os.environ.setdefault(VARIABLE, str(CONFIGURATION))
    return "_ssl" not in sys.modules and "_hashlib" not in sys.modules
