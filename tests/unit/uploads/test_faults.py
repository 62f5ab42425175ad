"""What is said of a file that is not as long on the other side as it was here."""

import pytest

from appliance.domain.fault import Fault
from appliance.uploads.faults import wrong_length


@pytest.mark.parametrize(("found", "fault"), [(0, Fault.FULL), (99, Fault.FULL), (101, Fault.BROKEN)])
def test_too_short_is_for_want_of_room_and_too_long_passes_by_itself(found: int, fault: Fault) -> None:
    error = wrong_length(found, 100)
    assert (error.fault, str(found) in str(error)) == (fault, True)
