"""SERVICE: tries targets when a person asks for it, beside what is being sent."""

import logging
from collections.abc import Callable, Mapping

from appliance.domain.clock import Clock
from appliance.domain.errors import UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.upload import Checked, CheckTarget
from appliance.supervisor.channels import Mailbox, Published
from appliance.uploads.port import Target

log = logging.getLogger(__name__)


class TestService:
    """The test button."""

    __test__ = False  # its name is no test's

    def __init__(
        self,
        orders: Mailbox[CheckTarget],
        results: Published[Mapping[str, Checked]],
        make_target: Callable[[str], tuple[Target, str] | None],
        clock: Clock,
    ) -> None:
        """Take what to work with.

        Parameters
        ----------
        orders : Mailbox
        results : Published
            How the last test of each target went, by the target's id.
        make_target : callable
            Builds the target of an id as its settings say now, and returns it with what its test will have done; None where
            there is none; may raise UploadError.
        clock : Clock
        """
        self._orders, self._results, self._make_target, self._clock = orders, results, make_target, clock

    def open(self) -> None:
        """Nothing to acquire."""

    def step(self) -> None:
        """Try one target, if somebody wants it; that takes some deadlines at most."""
        order = self._orders.take(1.0)
        if order is not None:
            self._note(order.target, Checked(self._clock.now(), is_running=True))
            self._note(order.target, self._try(order.target))

    def close(self) -> None:
        """Nothing to give back."""

    def _try(self, target_id: str) -> Checked:
        try:
            made = self._make_target(target_id)
            if made is None:
                return Checked(self._clock.now(), message="This target has been removed.")
            target, tested = made
            try:
                target.check()
            finally:
                target.close()
        except UploadError as error:
            log.info("test of a target: %s: %s: %s", target_id, error.fault, error)
            return Checked(self._clock.now(), fault=error.fault, message=str(error), shown=error.shown, words=error.own_words)
        except UploadRefusedError as error:
            log.info("test of a target: %s: refused: %s", target_id, error)
            return Checked(self._clock.now(), fault=Fault.RIGHT, message=str(error))
        return Checked(self._clock.now(), message=tested)

    def _note(self, target_id: str, checked: Checked) -> None:
        self._results.publish({**self._results.value, target_id: checked})
