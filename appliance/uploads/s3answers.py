"""What an object store says: its XML as untrusted text, and its codes as our faults with words that name the field."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from xml.parsers import expat

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault, Words
from appliance.uploads.http import Answer

DEEPEST, MOST_FACTS = 8, 20_000
_REGION = re.compile(r"[a-z0-9-]{1,40}\Z")
_LOGIN = Words("Access key id or secret key are refused.", "Check Access key id, and enter Secret key again.")
_BUCKET = Words("There is no such bucket.", "Check Bucket, Addressing and Endpoint, or make the bucket there.")
_NO_RIGHT = Words(
    "This access key may not write there.", "Allow it to put and delete objects in this bucket, or check Bucket and Prefix."
)
_REGION_WORDS = Words("The bucket is in another region.", "Check Region, and Endpoint, which often has it in its name.")
_CLOCK = Words(
    "The clocks of this appliance and of the store differ.",
    "Open the machine's page and let the network set the time; if this clock is right, the store's is wrong.",
)
_CLASS = Words("The store has no such storage class.", "Check Storage class; empty is always right.")
NO_STORE = Words("What answers there is no object store.", "Check Endpoint, Bucket and Addressing.")
WORDS = {
    Fault.NAME: Words(
        "No computer of this name is known.",
        "Check Endpoint for a typing error, Addressing (path needs no name for each bucket), and this appliance's network.",
    ),
    Fault.PORT: Words(
        "The computer is there, but nothing listens on this port.", "Check the port in Endpoint, and that the store runs there."
    ),
    Fault.SILENT: Words("The computer does not answer.", "Check Endpoint; a firewall may be in between."),
    Fault.LOGIN: _LOGIN,
    Fault.PATH: _BUCKET,
    Fault.RIGHT: _NO_RIGHT,
}
"""What a person reads where the fault's own words name fields that an object store has not."""
_FAULTS = {
    "InvalidAccessKeyId": (Fault.LOGIN, Words("The store does not know this access key.", "Check Access key id.")),
    "SignatureDoesNotMatch": (Fault.LOGIN, Words("The secret key is refused.", "Enter Secret key again.")),
    "AuthFailure": (Fault.LOGIN, _LOGIN),
    "NotSignedUp": (Fault.LOGIN, _LOGIN),
    "UnauthorizedAccess": (Fault.LOGIN, _LOGIN),
    "RequestTimeTooSkewed": (Fault.LOGIN, _CLOCK),
    "RequestExpired": (Fault.LOGIN, _CLOCK),
    "NoSuchBucket": (Fault.PATH, _BUCKET),
    "InvalidBucketName": (Fault.PATH, _BUCKET),
    "MethodNotAllowed": (Fault.PATH, NO_STORE),
    "AuthorizationHeaderMalformed": (Fault.PATH, _REGION_WORDS),
    "AuthorizationQueryParametersError": (Fault.PATH, _REGION_WORDS),
    "IllegalLocationConstraintException": (Fault.PATH, _REGION_WORDS),
    "InvalidRegion": (Fault.PATH, _REGION_WORDS),
    "PermanentRedirect": (Fault.PATH, _REGION_WORDS),
    "TemporaryRedirect": (Fault.PATH, _REGION_WORDS),
    "InvalidStorageClass": (Fault.PATH, _CLASS),
    "AccessDenied": (Fault.RIGHT, _NO_RIGHT),
    "AllAccessDisabled": (Fault.RIGHT, _NO_RIGHT),
    "AccountProblem": (Fault.RIGHT, _NO_RIGHT),
    "QuotaExceeded": (Fault.FULL, Fault.FULL.words),
    "ServiceQuotaExceededException": (Fault.FULL, Fault.FULL.words),
    "XMinioAdminBucketQuotaExceeded": (Fault.FULL, Fault.FULL.words),
    "XMinioStorageFull": (Fault.FULL, Fault.FULL.words),
}
_BY_STATUS = {
    301: "PermanentRedirect", 302: "TemporaryRedirect", 307: "TemporaryRedirect", 308: "PermanentRedirect", 401: "AuthFailure",
    403: "AccessDenied", 404: "NoSuchBucket", 405: "MethodNotAllowed", 413: "EntityTooLarge", 507: "QuotaExceeded",
}  # fmt: skip
"""What a status means where there is no code: an answer to HEAD has none, nor has what is no object store."""
_REFUSED = {
    "EntityTooLarge", "EntityTooSmall", "KeyTooLongError", "InvalidURI", "MetadataTooLarge", "XMinioInvalidObjectName",
}  # fmt: skip
"""What is said of one file; all else is said of all of them, or of the moment."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A text in an answer."""

    path: str
    """Names of the elements around it with `/`, without their name spaces."""
    text: str


def facts(untrusted: bytes) -> list[Fact]:
    """Return the texts of an XML answer in their order.

    Raises
    ------
    InputError
        If it is no XML, is too deep or too long, or brings a document type: entities come with one.
    """
    found: list[Fact] = []
    path: list[str] = []
    texts: list[str] = []

    def begin(name: str, _: dict[str, str]) -> None:
        path.append(name.rpartition(":")[2])
        texts.append("")
        if len(path) > DEEPEST:
            raise InputError("the answer is too deep")

    def say(text: str) -> None:
        texts[-1] += text

    def end(_: str) -> None:
        if text := texts.pop().strip():
            found.append(Fact("/".join(path), text))
        path.pop()
        if len(found) > MOST_FACTS:
            raise InputError("the answer is too long")

    def refuse(*_: object) -> None:
        raise InputError("the answer has a document type")

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, say
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(untrusted, True)
    except expat.ExpatError as error:
        raise InputError(f"the answer is no XML: {error}") from error
    return found


def text_in(answer: Answer, path: str) -> str:
    """Return the text of a path in an answer, empty where it has none or is no XML."""
    try:
        return next((fact.text for fact in facts(answer.body) if fact.path == path), "")
    except InputError:
        return ""


def code_of(answer: Answer) -> str:
    """Return the code of the error that an answer tells of, empty for none; an answer that began well may tell of one."""
    code = text_in(answer, "Error/Code")
    return code if code or answer.is_well else _BY_STATUS.get(answer.status, "")


def raise_for(answer: Answer, what: str) -> None:
    """Raise the fault that an answer tells of; return where it is well.

    Raises
    ------
    UploadRefusedError
        If this file is not taken.
    UploadError
    """
    code = code_of(answer)
    if answer.is_well and not code:
        return
    told = _shown(text_in(answer, "Error/Message") or answer.reason)
    said = f"{what}: {answer.status} {_shown(code)}: {told}" if code else f"{what}: {answer.status} {told}"
    if code in _REFUSED:
        raise UploadRefusedError(f"The store does not take it: {said}")
    fault, words = _FAULTS.get(code, (Fault.BROKEN, Fault.BROKEN.words))
    region = text_in(answer, "Error/Region") or answer.headers.get("x-amz-bucket-region", "")
    if words is _REGION_WORDS and _REGION.match(region):
        words = Words(words.sentence, f"Set Region to {region}, and look whether Endpoint has it in its name.")
    raise UploadError(fault, said, words=words)


@contextmanager
def fitted() -> Iterator[None]:
    """Give faults of the network words that name the fields of an object store."""
    try:
        yield
    except UploadError as error:
        if error.own_words is not None or error.fault not in WORDS:
            raise
        raise UploadError(error.fault, str(error), shown=error.shown, words=WORDS[error.fault]) from error


def _shown(untrusted: str) -> str:
    return "".join(sign for sign in untrusted if sign.isprintable())[:200]
