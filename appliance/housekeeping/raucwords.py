"""What RAUC says when it refuses, in words for people; its own follow in brackets, for those who know it."""

import re

from appliance.domain.errors import ServiceError

_LONGEST = 300
_WORDS: tuple[tuple[str, str], ...] = (
    (r"certificate has expired|CRL has expired", "its signer's certificate has expired"),
    (r"certificate revoked", "its signer has been revoked"),
    (r"certificate is not yet valid|CRL is not yet valid", "its signer's certificate is not valid yet; is the clock right?"),
    (r"certificate purpose|code signing|key usage", "its signer's certificate is not one for updates"),
    (
        r"unable to get local issuer|self.signed certificate|unable to get issuer|unable to verify the first",
        "it was signed by somebody whom this appliance does not trust",
    ),
    (r"format 'plain' not allowed|[Bb]undle format .* not allowed", "it has a form that this appliance does not take"),
    (r"[Cc]ompatible mismatch|incompatible", "it is for another kind of machine"),
    (r"No space left|too small", "it does not fit into the other half"),
    (r"[Hh]andler", "this appliance refused it before anything was written"),
    (
        r"[Ss]ignature|[Mm]agic|[Ii]dentifier|bundle size|truncated|CMS|digest|verity|squashfs|asn1",
        "it is no update, or it is damaged or not signed",
    ),
)


def is_busy(error: ServiceError) -> bool:
    """Return whether RAUC is at something else, so that this is no word about what was asked."""
    return "already processing" in str(error)


_STEPS = (
    ("Copying image", "The system is written"),
    ("Updating slots", "The system is written"),
    ("Checking slot", "The other half is looked at"),
    ("Checking", "The bundle is checked"),
    ("Verifying", "The bundle is checked"),
    ("Determining", "It is made ready"),
    ("Installing", "It is made ready"),
)


def plain_step(said: str) -> str:
    """Return what RAUC is at, in words for people."""
    return next((words for begin, words in _STEPS if said.startswith(begin)), said)


def plain_words(said: str) -> str:
    """Return why RAUC refused, as part of a sentence."""
    text = " ".join(said.split())[:_LONGEST]
    for pattern, words in _WORDS:
        if re.search(pattern, text):
            return f"{words} ({text})"
    return f"the updater said: {text}" if text else "the updater did not say why"
