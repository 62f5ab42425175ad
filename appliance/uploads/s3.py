"""TARGET: an object store that speaks as Amazon S3 does; botocore signs the requests, which go over our own connection."""

import base64
import hashlib
import html
import io
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeVar
from urllib.parse import quote, urlencode

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault, Words
from appliance.domain.secret import Secret
from appliance.settings.servicetargets import Addressing
from appliance.uploads.http import Answer, Https, parse_address, type_of
from appliance.uploads.port import Progress
from appliance.uploads.s3answers import NO_STORE, WORDS, Fact, code_of, facts, fitted, raise_for, text_in

PART = 8 << 20
MOST_PARTS = 10_000
LARGEST_PART = 5 << 30
PAUSES_S = (1.0, 2.0, 4.0)
"""Between tries of one part: a film does not begin anew because one of a hundred requests went wrong."""
LEFTOVERS = 100
_CHECK = "nightjar-check.txt"
_MARK = "x-amz-meta-nightjar"
_MiB = 1 << 20
_PIECE = 1 << 18
_MAY_NOT_DELETE = Words(
    "This access key may write, but not remove what it wrote.",
    f"Files are sent all the same, and {_CHECK} stays there. Allow it to delete objects if a test shall leave nothing.",
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class S3Place:
    """Which bucket of which store, and as whom."""

    endpoint: str
    """https, of the store."""
    region: str
    bucket: str
    prefix: str
    """Folder in the bucket, without a slash at its ends; may be empty."""
    addressing: Addressing
    storage_class: str
    """Empty for the bucket's own."""
    key_id: str
    certificate: str
    """PEM, as `trust.context_of` takes it."""
    secret_key: Secret[str] | None = None


class S3Target:
    """An object store; see `Target`."""

    def __init__(self, place: S3Place) -> None:
        try:
            parts = parse_address(place.endpoint)
        except InputError as error:
            raise UploadError(Fault.PATH, str(error), words=Words("The endpoint is no address.", "Check Endpoint.")) from error
        if place.secret_key is None:
            raise UploadError(Fault.LOGIN, "no secret key is stored", words=WORDS[Fault.LOGIN])
        self._place, self._secret = place, place.secret_key
        is_named = place.addressing is Addressing.HOST
        before = f"{place.bucket}." if is_named else ""
        self._host = before + parts.netloc
        self._base = parts.path.rstrip("/") + ("" if is_named else f"/{place.bucket}")
        self._https = Https(before + (parts.hostname or ""), parts.port or 443, place.certificate)

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Bring a file there: at once, or in parts of which nothing is seen before all are there."""
        progress(0)
        with fitted():
            if size <= 2 * PART:
                self._put(name, Slice(file, 0, size), progress)
            else:
                self._deliver_in_parts(file, size, name, progress)

    def check(self) -> None:
        """Write a small object and remove it."""
        with fitted():
            self._put(_CHECK, b"Nightjar\n" * 100, lambda _: None)
            gone = self._ask("DELETE", _CHECK)
            if code_of(gone) == "AccessDenied":
                raise UploadError(Fault.RIGHT, f"DELETE: {gone.status} AccessDenied", words=_MAY_NOT_DELETE)
            raise_for(gone, "DELETE")

    def close(self) -> None:
        """Hang up."""
        self._https.close()

    def _put(self, name: str, body: "bytes | Slice", progress: Progress) -> None:
        answer = self._ask("PUT", name, body=body, headers=self._kind_of(name), progress=progress)
        raise_for(answer, "PUT")
        if "etag" not in answer.headers:
            raise UploadError(Fault.PATH, f"PUT: {answer.status} without a tag: this is no object store", words=NO_STORE)

    def _deliver_in_parts(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        part = part_size(size)
        self._remove_leftovers(name, progress)
        mark = secrets.token_hex(16)
        begun = self._ask("POST", name, {"uploads": ""}, headers={**self._kind_of(name), _MARK: mark})
        raise_for(begun, "begin")
        upload_id = text_in(begun, "InitiateMultipartUploadResult/UploadId")
        if not upload_id:
            raise UploadError(Fault.BROKEN, "the store began an upload and did not say which")
        is_whole = False
        try:
            tags = list[str]()
            for begin in range(0, size, part):
                piece = Slice(file, begin, min(part, size - begin))
                query = {"partNumber": str(len(tags) + 1), "uploadId": upload_id}
                tags.append(patiently(partial(self._part, name, query, piece, progress), partial(progress, begin)))
            patiently(partial(self._complete, name, upload_id, tags, mark), partial(progress, size))
            is_whole = True
        finally:
            if not is_whole:
                self._abort(name, upload_id)

    def _part(self, name: str, query: Mapping[str, str], piece: "Slice", progress: Progress) -> str:
        """Send a part and return the tag that the store gave it."""
        answer = self._ask("PUT", name, query, body=piece, progress=lambda sent: progress(piece.begin + sent))
        raise_for(answer, f"part {query['partNumber']}")
        if not (tag := answer.headers.get("etag", "")):
            raise UploadError(Fault.BROKEN, f"the store gave part {query['partNumber']} no tag")
        return tag

    def _complete(self, name: str, upload_id: str, tags: list[str], mark: str) -> None:
        """Have the parts put together; a lost answer is found out by the mark on what stands there."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{html.escape(tag, quote=False)}</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = self._ask("POST", name, {"uploadId": upload_id}, body=body, headers={"Content-Type": "application/xml"})
        if answer.status == 404 and self._ask("HEAD", name).headers.get(_MARK) == mark:
            return
        raise_for(answer, "complete")

    def _remove_leftovers(self, name: str, progress: Progress) -> None:
        """Remove what an upload of this file has left that ended without a word, where the store tells of it."""
        key = self._key(name)
        answer = self._ask("GET", "", {"uploads": "", "prefix": key, "max-uploads": str(LEFTOVERS)})
        if not answer.is_well:
            return
        for found in leftovers(answer.body, key):
            progress(0)
            self._abort(name, found)

    def _abort(self, name: str, upload_id: str) -> None:
        with suppress(UploadError):  # where this fails, the next upload of this file removes it
            self._ask("DELETE", name, {"uploadId": upload_id})

    def _ask(
        self,
        method: str,
        name: str,
        query: Mapping[str, str] | None = None,
        *,
        body: "bytes | Slice" = b"",
        headers: Mapping[str, str] | None = None,
        progress: Progress = lambda _: None,
    ) -> Answer:
        """Make a signed request about a file, or about the bucket where the name is empty.

        The signature covers the hash of the body; the older Content-MD5 is sent too, for stores that look at that one only.
        """
        path = self._base + "/" + (quote(self._key(name)) if name else "")
        if query:
            path += f"?{urlencode(query, quote_via=quote, safe='')}"
        if isinstance(body, bytes):
            body = Slice(io.BytesIO(body), 0, len(body))
        hashed = {"Content-MD5": body.md5()} if method in {"PUT", "POST"} else {}
        signed = self._signed(method, path, {**hashed, **(headers or {})}, body)
        return self._https.ask(method, path, signed, body, size=body.size, progress=progress)

    def _signed(self, method: str, path: str, headers: Mapping[str, str], body: "Slice") -> dict[str, str]:
        """Return the headers with host, date, hash of the body, and the signature over all of it."""
        from botocore.auth import S3SigV4Auth  # 23 MB of memory: only where there is an object store
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request = AWSRequest(method, f"https://{self._host}{path}", {"Host": self._host, **headers}, body)
        who = Credentials(self._place.key_id, self._secret.reveal().strip())
        S3SigV4Auth(who, "s3", self._place.region).add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def _kind_of(self, name: str) -> dict[str, str]:
        headers = {"Content-Type": type_of(name)}
        if self._place.storage_class:
            headers["x-amz-storage-class"] = self._place.storage_class
        return headers

    def _key(self, name: str) -> str:
        return f"{self._place.prefix}/{name}" if self._place.prefix else name


class Slice:
    """A part of a file, read as if it were one: for its hashes, then to be sent."""

    def __init__(self, file: BinaryIO, begin: int, size: int) -> None:
        self.begin, self.size = begin, size
        self._file, self._at = file, 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        left = self.size - self._at
        self._file.seek(self.begin + self._at)
        piece = self._file.read(left if size < 0 else min(size, left))
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in it; 2 counts from its end."""
        self._at = min(max(0, offset + (0, self._at, self.size)[whence]), self.size)
        return self._at

    def tell(self) -> int:
        """Return where it stands."""
        return self._at

    def md5(self) -> str:
        """Return the hash that a Content-MD5 holds, and go back to the begin."""
        digest = hashlib.md5(usedforsecurity=False)
        self.seek(0)
        while piece := self.read(_PIECE):
            digest.update(piece)
        self.seek(0)
        return base64.b64encode(digest.digest()).decode()


def part_size(size: int) -> int:
    """Return how large the parts of a file are: 8 MiB, or so large that there are not too many.

    Raises
    ------
    UploadRefusedError
        If no store takes a file of this size.
    """
    part = max(PART, -(-size // MOST_PARTS // _MiB) * _MiB)
    if part > LARGEST_PART:
        raise UploadRefusedError(f"The store does not take it: {size} bytes are more than an object may have")
    return part


def leftovers(untrusted: bytes, key: str) -> list[str]:
    """Return the ids of the unfinished uploads of exactly this key; none where the answer cannot be read."""
    try:
        found = facts(untrusted)
    except InputError:
        return []
    ids, of_ours = list[str](), False
    for fact in found:
        match fact:
            case Fact("ListMultipartUploadsResult/Upload/Key", text):
                of_ours = text == key
            case Fact("ListMultipartUploadsResult/Upload/UploadId", text) if of_ours:
                ids.append(text)
    return ids


def patiently(do: Callable[[], T], beat: Callable[[], None]) -> T:
    """Do something, and again some times where only the connection broke or the store asks for patience."""
    for pause_s in PAUSES_S:
        try:
            return do()
        except UploadError as error:
            if not error.fault.is_weather:
                raise
        time.sleep(pause_s)
        beat()
    return do()
