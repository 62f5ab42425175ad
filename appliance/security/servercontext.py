"""The TLS context of the panel: TLS 1.2 and 1.3, Mozilla's intermediate profile, both kinds of key, renewed in place.

The one context that is handed out never changes; at each handshake it passes the connection on to the newest one. So a
renewal needs no word with the server, and who is connected stays connected.
"""

import ssl
from dataclasses import dataclass

from appliance.security.certificate import Leaves
from appliance.security.handshake import can_shake_hands, load_pem
from appliance.security.own_certificate import OwnCertificate

_AUTHENTICATION = ("ECDSA", "RSA")
_SUITES = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
CIPHERS = ":".join(f"ECDHE-{kind}-{suite}" for suite in _SUITES for kind in _AUTHENTICATION)
"""Of TLS 1.2: https://ssl-config.mozilla.org/guidelines/5.7.json, without the three for clients that know no curves."""

_FALLBACK_GROUP = "prime256v1"
_FOREIGN_GROUP = "secp521r1"
"""Offered by OpenSSL unless told otherwise, and not in the profile."""


def make_server_context(leaves: Leaves) -> ssl.SSLContext:
    """Return a context that serves both leaves: clients that can, get P-256.

    Where OpenSSL was loaded without our configuration (`openssl.py`), the key exchange is restricted to P-256: a little
    slower for clients that guess X25519 first, and within the profile all the same.

    Raises
    ------
    SecurityError
        If OpenSSL refuses a leaf or its key.
    """
    context = _bare_context()
    load_pem(context, leaves.rsa)
    load_pem(context, leaves.p256)
    if _takes(context, _FOREIGN_GROUP):
        context.set_ecdh_curve(_FALLBACK_GROUP)
    return context


def _make_own_context(own: OwnCertificate) -> ssl.SSLContext:
    context = _bare_context()
    load_pem(context, own.pem)
    return context


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _takes(server: ssl.SSLContext, group: str) -> bool:
    """Try, in memory, whether a server agrees to a group for the key exchange: no call of OpenSSL would tell."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE  # nobody is trusted with anything here: the question is the group only
    client.set_ecdh_curve(group)
    return can_shake_hands(client, server, "localhost")


@dataclass(frozen=True, slots=True)
class _Current:
    device: ssl.SSLContext
    own: ssl.SSLContext | None
    own_certificate: OwnCertificate | None


class RenewableContext:
    """One context for the life of the server; `use` changes what the next handshake is answered with."""

    def __init__(self, leaves: Leaves, own: OwnCertificate | None = None) -> None:
        self._current = _made(leaves, own)
        self.context = make_server_context(leaves)
        """What the server is given, once."""
        self.context.sni_callback = self._choose

    def use(self, leaves: Leaves, own: OwnCertificate | None) -> None:
        """Answer new connections with these certificates; live ones go on with what they have."""
        self._current = _made(leaves, own)

    def _choose(self, connection: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        """Pick the certificate: the admin's for its names, the device's for all others and for bare addresses."""
        current = self._current
        is_own = bool(server_name) and current.own_certificate is not None and current.own_certificate.is_for(server_name or "")
        connection.context = current.own if is_own and current.own is not None else current.device


def _made(leaves: Leaves, own: OwnCertificate | None) -> _Current:
    return _Current(make_server_context(leaves), _make_own_context(own) if own else None, own)
