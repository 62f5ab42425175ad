"""The head of the application server's answer, read for one question only: where the answer ends."""

from dataclasses import dataclass

from appliance.web.head import RequestHead


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """How an answer is passed on."""

    passed_on: bytes
    """The head as the client gets it."""
    body_bytes: int | None
    """None: the body ends with the connection."""


def parse_answer(head: bytes, request: RequestHead) -> AnswerHead:
    """Return how to pass an answer on: its `Connection: close` goes away where the client's connection can stay open."""
    status_line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    status = int(status_line.split(b" ", 2)[1])
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    length = next((int(line.partition(b":")[2]) for line in kept if line.lower().startswith(b"content-length:")), None)
    if request.method == "HEAD" or status in (204, 304):
        length = 0
    if request.wants_close or length is None:
        kept.append(b"Connection: close")
    elif not request.is_http_11:
        kept.append(b"Connection: keep-alive")
    return AnswerHead(b"\r\n".join([status_line, *kept, b"", b""]), length)
