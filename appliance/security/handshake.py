"""TLS in memory: certificates and keys that never lie in a file of ours, and handshakes tried without a network."""

import os
import ssl

from appliance.domain.errors import SecurityError
from appliance.domain.secret import Secret

_ROUNDS = 8
"""A handshake is over after three; a peer that never ends is refused."""


def load_pem(context: ssl.SSLContext, pem: Secret[bytes]) -> None:
    """Load chain and key into a context. Python reads them from files only, so they pass through one in memory.

    Raises
    ------
    SecurityError
        If OpenSSL refuses them.
    """
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(pem.reveal())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except (ssl.SSLError, OSError) as error:
        raise SecurityError("a certificate of the panel cannot be used") from error
    finally:
        os.close(descriptor)


def can_shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> bool:
    """Say whether a client that asks for `host` and a server come to terms, tried in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(_ROUNDS):
        for end in tuple(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
        if not ends:
            return True
    return False
