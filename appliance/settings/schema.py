"""Every setting, written once: type, default, bounds, unit and help; forms, checks, manual and redaction read it here."""

from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from appliance.domain.channel import LONGEST_ADDRESS, is_https
from appliance.domain.errors import InputError
from appliance.domain.label import check_template
from appliance.settings.section import Section, misfit, setting
from appliance.settings.targets import MOST_TARGETS, Target

VERSION = 1
"""Number of the schema; a change of meaning adds a step to `migrate.py` and one here."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is not the name of a time zone; write it like Europe/Vienna or UTC") from error
    return name


ZoneName = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]


class Site(Section):
    """Where the camera stands."""

    name: str = setting("My sky", "Name", "Shown on pictures and in the panel.", max_length=60)
    latitude_deg: float | None = setting(
        None, "Latitude", "North is positive. Sun and moon, day and night follow from it.", unit="°", ge=-90, le=90
    )
    longitude_deg: float | None = setting(None, "Longitude", "East is positive.", unit="°", ge=-180, le=180)
    timezone: ZoneName = setting(
        "UTC", "Time zone", "For instance Europe/Vienna. A night runs from noon to noon in this zone; labels show its time.",
        kind="zone",
    )  # fmt: skip

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            missing = "latitude_deg" if self.latitude_deg is None else "longitude_deg"
            raise misfit(missing, "is needed too: give latitude and longitude, or neither")
        return self


class Transport(StrEnum):
    """How the INDI server is reached."""

    LOCAL = "local"
    REMOTE = "remote"


class Camera(Section):
    """Which camera, and how it exposes."""

    device: str = setting(
        "", "Device", "Name of the INDI device, for instance CCD Simulator. Empty: the first camera found.", max_length=64
    )
    driver: str = setting(
        "", "INDI driver",
        "What the appliance's own INDI server runs, for instance indi_asi_ccd; see System, Camera driver. Empty: none.",
        max_length=65, pattern=r"^(indi_[A-Za-z0-9_]{1,60}|nightjar-sky)?$",
    )  # fmt: skip
    transport: Transport = setting(
        Transport.LOCAL, "INDI server", "local: the one that this appliance runs. remote: one on another machine."
    )
    remote_host: str = setting(
        "", "Remote host", "Name or address of the remote INDI server. Its traffic is not encrypted.",
        max_length=253, pattern=r"^[A-Za-z0-9._:-]*$",
    )  # fmt: skip
    remote_port: int = setting(7624, "Remote port", "Port of the remote INDI server.", ge=1, le=65535)
    period_s: float = setting(
        15.0,
        "Time between frames",
        "From one start of exposure to the next. 0: as fast as the camera can.",
        unit="s",
        ge=0,
        le=3600,
    )
    is_automatic: bool = setting(True, "Automatic exposure", "Follow the brightness of the sky.")
    duration_s: float = setting(1.0, "Fixed exposure", "Used while automatic exposure is off.", unit="s", ge=0.00001, le=600)
    gain: float = setting(0.0, "Fixed gain", "Used while automatic exposure is off; in the driver's own units.", ge=0, le=10000)
    duration_min_s: float = setting(0.00005, "Shortest exposure", "Automatic exposure stays above.", unit="s", ge=0.000001, le=60)
    duration_max_s: float = setting(14.0, "Longest exposure", "Automatic exposure stays below.", unit="s", ge=0.001, le=600)
    gain_min: float = setting(0.0, "Lowest gain", "By day, and until the longest exposure is not enough.", ge=0, le=10000)
    gain_max: float = setting(250.0, "Highest gain", "Used after the longest exposure is not enough.", ge=0, le=10000)
    target_mean: float = setting(0.22, "Wanted brightness by day", "Mean of the frame as a share of full scale.", ge=0.02, le=0.8)
    target_mean_night: float = setting(
        0.06, "Wanted brightness at night", "Mean of the frame as a share of full scale.", ge=0.005, le=0.8
    )
    binning: int = setting(1, "Binning", "Pixels joined in each direction.", ge=1, le=8)
    offset_adu: int | None = setting(None, "Offset", "The driver's offset; empty leaves it as it is.", unit="ADU", ge=0, le=10000)

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        if self.duration_min_s > self.duration_max_s:
            raise misfit("duration_min_s", f"must not be longer than the longest exposure, {self.duration_max_s:g} s")
        if self.gain_min > self.gain_max:
            raise misfit("gain_min", f"must not be higher than the highest gain, {self.gain_max:g}")
        if self.transport is Transport.REMOTE and not self.remote_host:
            raise misfit("remote_host", "is needed for a remote INDI server")
        return self


class Rotation(StrEnum):
    """How far a picture is turned, clockwise."""

    NONE = "0"
    RIGHT = "90"
    HALF = "180"
    LEFT = "270"


class Image(Section):
    """How a frame becomes a picture."""

    bias_adu: int = setting(
        0, "Bias level", "Constant that the camera adds to every pixel, on the 16-bit scale.", unit="ADU", ge=0, le=20000
    )
    black_sigma: float = setting(
        2.8,
        "Black point",
        "How many deviations below the median of the sky turns black. Larger is brighter and flatter.",
        unit="σ",
        ge=0,
        le=10,
    )
    target_background: float = setting(
        0.2,
        "Sky brightness in the picture",
        "Where the stretch puts the median of the sky, from black 0 to white 1.",
        ge=0.02,
        le=0.8,
    )
    stretch: bool = setting(True, "Stretch", "Brighten the night sky. Off: linear values, scaled by 1/256.")
    red_gain: float = setting(1.0, "Red", "Factor on red before the stretch.", ge=0.2, le=5)
    blue_gain: float = setting(1.0, "Blue", "Factor on blue before the stretch.", ge=0.2, le=5)
    auto_white_balance: bool = setting(
        True, "Automatic white balance", "Make the sky's background grey; the two factors come on top."
    )
    flip_horizontal: bool = setting(False, "Mirror left and right", "For east on the left, as seen when looking up.")
    flip_vertical: bool = setting(False, "Mirror top and bottom", "Turn the picture over.")
    rotation: Rotation = setting(Rotation.NONE, "Turn", "Clockwise, after mirroring.", unit="°")
    mask_radius: float = setting(
        1.0, "Radius of the sky", "As a share of half the shorter side; what lies outside is not measured.", ge=0.1, le=2
    )
    mask_darkens: bool = setting(False, "Black outside the sky", "Paint what lies outside the radius black.")
    label: str = setting(
        "{site}  {date} {time}\n{exposure}  gain {gain}  {temperature}", "Label",
        "Text on the picture; empty for none. Words in braces: site, time, date, exposure, gain, temperature, mean, stars, sqm.",
        max_length=400, kind="longtext",
    )  # fmt: skip
    label_size: float = setting(1.0, "Label size", "Factor on the height of the letters.", ge=0.3, le=5)
    jpeg_quality: int = setting(90, "JPEG quality", "90 looks like the original.", ge=40, le=100)
    sqm_zero_point: float | None = setting(
        None,
        "SQM zero point",
        "Magnitude of one ADU per second and square arc-second at the lowest gain; empty: no SQM.",
        unit="mag",
        ge=0,
        le=40,
    )
    pixel_scale_arcsec: float = setting(600.0, "Pixel scale", "Size of a pixel at the zenith, for SQM.", unit="″", ge=1, le=10000)

    @field_validator("label")
    @classmethod
    def _label_can_be_filled_in(cls, label: str) -> str:
        try:
            check_template(label)
        except InputError as error:
            raise ValueError(str(error)) from error
        return label


class Night(Section):
    """When night begins and ends."""

    sun_altitude_deg: float = setting(
        -6.0, "Sun altitude", "Below this it is night: frames count stars and enter star trails.", unit="°", ge=-18, le=6
    )
    star_trail: bool = setting(True, "Star trail", "Grow a star trail through the night.")
    keogram: bool = setting(True, "Keogram", "Grow a keogram through the night.")


class Retention(Section):
    """How long pictures are kept."""

    days: int = setting(
        30, "Keep pictures", "Older nights are removed. 0 keeps them until the disk fills.", unit="days", ge=0, le=36500
    )
    reserve_mib: int = setting(
        512, "Keep free", "The oldest nights are removed when less is free.", unit="MiB", ge=32, le=1_000_000
    )


class Export(Section):
    """What a USB stick gets when it is plugged in."""

    any_labelled_stick: bool = setting(
        False,
        "Sticks without confirmation",
        "Fill every stick whose label begins with NIGHTJAR or that holds nightjar-export.toml. "
        "Off: only sticks that an admin has confirmed. On, whoever reaches the USB socket takes pictures home.",
    )
    pictures: bool = setting(True, "Pictures", "Copy the pictures of each night.")
    products: bool = setting(True, "Keograms and star trails", "Copy the keogram and the star trail of each night.")
    films: bool = setting(True, "Films", "Copy the films of each night.")
    nights: int = setting(
        0, "Newest nights", "Copy only so many of the newest nights. 0: all of them.", unit="nights", ge=0, le=36500
    )
    speed_mib_s: int = setting(
        20, "Speed", "Copy at most so fast, so that taking pictures is not disturbed.", unit="MiB/s", ge=1, le=1000
    )


class Web(Section):
    """The panel."""

    public_pictures: bool = setting(
        False, "Public pictures",
        "Show live view and gallery to everybody on the network, without a login; the public page belongs to it.",
    )  # fmt: skip
    public_page: bool = setting(
        False, "Public page",
        "Show one page to everybody, without a login, at /public: the newest picture, keogram, star trails and film. Other sites "
        "may show /latest.jpg then, and /feed.json and /feed.atom tell of the newest 30 nights. Nothing else is opened.",
    )  # fmt: skip
    session_idle_minutes: int = setting(
        720, "Log out after idling", "A session without a request ends after this.", unit="min", ge=5, le=43200
    )
    session_days: int = setting(30, "Log out after", "A session ends after this, used or not.", unit="days", ge=1, le=365)


class ChannelAction(StrEnum):
    """What is done about a release that the channel offers."""

    TELL = "tell"
    DOWNLOAD = "download"
    INSTALL = "install"


class Updates(Section):
    """Where new versions are looked for. Without an address nobody is ever asked."""

    channel_url: str = setting(
        "", "Channel",
        "Address of a signed list of releases, for instance https://nightjar.example.org/channel.json. Empty: nobody is asked.",
        max_length=LONGEST_ADDRESS,
    )  # fmt: skip
    channel_key: str = setting(
        "", "Key of the channel",
        "Who makes the list tells it: a public key of Ed25519, 44 characters. A list that it has not signed is not taken.",
        max_length=44, pattern=r"^([A-Za-z0-9+/]{43}=)?$",
    )  # fmt: skip
    action: ChannelAction = setting(
        ChannelAction.TELL, "New releases",
        "tell: say so. download: also fetch and check it, at the quiet hour. install: then also install it, and restart.",
            )  # fmt: skip
    quiet_hour: int = setting(
        11, "Quiet hour", "From this hour on, in the zone of the site, for an hour. By day nothing of the night is lost.",
        unit="h", ge=0, le=23,
    )  # fmt: skip

    @model_validator(mode="after")
    def _has_address_and_key(self) -> Self:
        if self.channel_url and not is_https(self.channel_url):
            raise misfit("channel_url", "must be an address that begins with https://, without name, password and #")
        if bool(self.channel_url) != bool(self.channel_key):
            missing = "channel_key" if self.channel_url else "channel_url"
            raise misfit(missing, "is needed too: give the channel's address and its key, or neither")
        return self


class Settings(Section):
    """The whole tree."""

    site: Site = Field(default_factory=Site, title="Site")
    camera: Camera = Field(default_factory=Camera, title="Camera")
    image: Image = Field(default_factory=Image, title="Image")
    night: Night = Field(default_factory=Night, title="Night")
    retention: Retention = Field(default_factory=Retention, title="Retention")
    export: Export = Field(default_factory=Export, title="USB export")
    web: Web = Field(default_factory=Web, title="Panel")
    updates: Updates = Field(default_factory=Updates, title="Updates")
    targets: tuple[Target, ...] = Field(
        default=(), max_length=MOST_TARGETS, title="Targets", description="Where pictures are sent; see the page Targets."
    )

    @field_validator("targets")
    @classmethod
    def _each_has_its_own_id(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        if len({target.id for target in targets}) < len(targets):
            raise ValueError("must have different ids")
        return targets
