"""Every limit that the TLS front and the forms keep, in one place, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all of them together, may cost."""

    head_bytes: int = 16 * 1024
    """A request line and its headers; browsers stay below 4 KiB."""
    headers: int = 100
    body_bytes: int = 64 * 1024
    """The largest form is the settings page with about 10 KiB, or an imported certificate chain."""
    handshake_s: float = 5.0
    idle_s: float = 65.0
    """Between two requests; also how long a new connection may say nothing."""
    head_s: float = 10.0
    """From the first byte of a head to its last: a slow-loris gets this long, whatever it sends."""
    body_s: float = 20.0
    large_body_bytes: int = 8 << 20
    """What the door may let in where the head has proved the right to it: one chunk of something that is larger."""
    large_bodies: int = 2
    """So many of them in memory at once. A body is there three times for a moment (read here, passed on, handed to the
    page), so this is 48 MiB on a machine that may have 512."""
    large_body_s: float = 90.0
    """For all of a large body: less than a megabit a second is for smaller chunks."""
    stall_s: float = 10.0
    """A large body of which nothing more comes for so long gives its place to another."""
    sunk_bodies: int = 4
    """Bodies on their way into files at once; they cost no memory but file descriptors and the disk's patience."""
    sunk_wait_s: float = 30.0
    """How long such a body waits for its place: its senders try once, and give up after a minute."""
    sunk_body_bytes: int = (1 << 30) + (128 << 10)
    """A film of a night, with the form around it."""
    sunk_body_s: float = 1500.0
    """Longer than that its signature is not good."""
    answer_s: float = 60.0
    """Until the first byte of an answer; nothing in the panel takes a tenth of it."""
    progress_s: float = 30.0
    """A reader that takes less than 48 KiB in this time is cut off."""
    connections: int = 480
    """In all. With 64 answers under way (3 file descriptors each, with the file) this stays below descriptor 1024, above
    which libraries in this process that still use select() would fail."""
    connections_per_address: int = 320
    """200 live views and 100 idle ones behind one address work; beyond it the longest idle one makes room."""
    answers: int = 64
    """Answers under way in all: slow readers of large files hold one each."""
    answers_per_address: int = 24
    """So that the slow readers of one address leave room for everybody else; its further requests wait."""
    slot_s: float = 10.0
    """How long a request waits for such a place before it is told to come back."""
    parting_s: float = 2.0
    """How long answers under way get at the end, so that who ordered a reset sees what comes next; those without an end
    are not waited for."""
    linger_s: float = 1.0
    """How long the rest of a refused request is read and thrown away, so that the client gets to see the refusal."""
