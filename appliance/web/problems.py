"""Errors as answers: a status and words; RFC 9457 for the API."""

import math
from dataclasses import dataclass
from http import HTTPStatus

from appliance.domain.errors import (
    DiskFullError,
    InputError,
    MachineError,
    NightjarError,
    RefusedError,
    SettingsError,
    StoreError,
    ThrottledError,
)
from appliance.domain.errors import Problem as FieldProblem
from appliance.web.answers import BusyError, NotFoundError, TurnedAwayError
from appliance.web.words import sentence


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was not answered as hoped."""

    status: int
    detail: str
    retry_after_s: int | None = None
    fields: tuple[FieldProblem, ...] = ()
    reason: str = ""
    """One word for programs, where they act differently upon one status."""

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def document(self) -> dict[str, object]:
        """Return the problem as the API tells it."""
        document: dict[str, object] = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        if self.reason:
            document["reason"] = self.reason
        if self.fields:
            document["errors"] = [{"path": field.path, "message": field.message} for field in self.fields]
        return document


def problem_of(error: NightjarError) -> Problem:
    """Return how an error of ours is told."""
    match error:
        case NotFoundError() | BusyError() | TurnedAwayError():
            return _problem_of_answer(error)
        case SettingsError():
            return Problem(422, "Some settings cannot be used.", fields=error.problems)
        case InputError():
            return Problem(400, str(error))
        case ThrottledError():
            wait_s = max(1, math.ceil(error.retry_after_s))
            return Problem(429, f"Too many tries. Try again in {wait_s} s.", retry_after_s=wait_s)
        case RefusedError():
            return Problem(403, f"Refused: {error}.")
        case MachineError():
            return Problem(409, sentence(str(error)))
        case DiskFullError():
            return Problem(507, "The disk is full. Remove old nights, or let Nightjar keep fewer days.")
        case StoreError():
            return Problem(500, "The data folder cannot be read or written. The system page says more.")
        case _:
            return Problem(500, "Something went wrong here. The log says what; the rest goes on.")


def _problem_of_answer(error: NotFoundError | BusyError | TurnedAwayError) -> Problem:
    match error:
        case NotFoundError():
            return Problem(404, str(error))
        case BusyError():
            return Problem(503, str(error), retry_after_s=error.retry_after_s)
        case TurnedAwayError():
            return Problem(error.status, str(error), reason=error.reason)
