"""From a target's settings and its opened credentials to the target itself.

SSH and MQTT come with large libraries, as S3 does; they are loaded for who has such a target: neither the start nor the memory of
others pays for them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.errors import UploadError, VaultError
from appliance.domain.fault import Fault
from appliance.domain.frame import StoredFrame
from appliance.domain.secret import Secret
from appliance.security.bound import open_for
from appliance.security.vault import Vault
from appliance.settings.indiallskytarget import IndiAllSkyTarget
from appliance.settings.nightjartarget import NightjarTarget
from appliance.settings.noticetargets import MailTarget, WebhookTarget
from appliance.settings.schema import Settings
from appliance.settings.servicetargets import MqttSecurity, MqttTarget, S3Target
from appliance.settings.targets import FtpTarget, SftpTarget, Target, WebTarget, credential_name
from appliance.store.credentials import CredentialStore
from appliance.uploads import port
from appliance.uploads.ftp import FtpPlace
from appliance.uploads.ftp import FtpTarget as Ftp
from appliance.uploads.indiallsky import IndiAllSkyTarget as IndiAllSky
from appliance.uploads.indiallsky import V1Place
from appliance.uploads.mail import MailPlace
from appliance.uploads.mail import MailTarget as Mail
from appliance.uploads.s3 import S3Place
from appliance.uploads.s3 import S3Target as Store
from appliance.uploads.sync import SyncPlace, SyncTarget
from appliance.uploads.webdav import WebPlace
from appliance.uploads.webdav import WebTarget as Web
from appliance.uploads.webhook import WebhookPlace
from appliance.uploads.webhook import WebhookTarget as Webhook


@dataclass(frozen=True, slots=True)
class Safe:
    """Where credentials lie, and what opens them."""

    credentials: CredentialStore
    vault: Callable[[], Vault]

    def secret_of(self, target: Target, name: str) -> Secret[str] | None:
        """Return a credential of a target, None where none was entered.

        Raises
        ------
        UploadError
            If it was entered for another place, or cannot be opened.
        """
        sealed = self.credentials.get(credential_name(target.id, name))
        if sealed is None:
            return None
        try:
            return open_for(self.vault(), target.place, sealed)
        except VaultError as error:
            raise UploadError(Fault.LOGIN, str(error)) from error


@dataclass(frozen=True, slots=True)
class Supplies:
    """What targets are made with, beside their settings."""

    safe: Safe
    frame_of: Callable[[str], StoredFrame | None]
    """Returns a stored frame by its picture's own name, like `20260131T210015Z-1234.jpg`; None where there is none."""
    sender: Callable[[], port.Sender]


def sender_of(device_id: str, version: str, settings: Settings, panel: str) -> port.Sender:
    """Return who sends, as the settings say now."""
    site = settings.site
    return port.Sender(
        device_id=device_id,
        site_name=site.name,
        version=version,
        panel=panel,
        latitude_deg=site.latitude_deg,
        longitude_deg=site.longitude_deg,
        timezone=site.timezone,
        night_sun_altitude_deg=settings.night.sun_altitude_deg,
    )


def make_target(target: Target, supplies: Supplies) -> port.Target:
    """Build a target; nothing is connected yet.

    Raises
    ------
    UploadError
        If a credential cannot be used.
    """
    safe = supplies.safe
    match target:
        case NightjarTarget():
            return SyncTarget(
                SyncPlace(
                    address=target.address,
                    fingerprint=target.fingerprint,
                    key=safe.secret_of(target, "key"),
                    sender=supplies.sender(),
                    frame_of=supplies.frame_of,
                )
            )
        case SftpTarget():
            from appliance.uploads.sftp import SftpPlace
            from appliance.uploads.sftp import SftpTarget as Sftp

            place = SftpPlace(
                host=target.host,
                port=target.port,
                user=target.user,
                folder=target.folder or ".",
                host_key=target.host_key,
                password=safe.secret_of(target, "password"),
                private_key=safe.secret_of(target, "private_key"),
            )
            return Sftp(place)
        case FtpTarget():
            return Ftp(
                FtpPlace(
                    host=target.host,
                    port=target.port,
                    user=target.user,
                    folder=target.folder,
                    security=target.security,
                    certificate=target.certificate,
                    password=safe.secret_of(target, "password"),
                )
            )
        case WebTarget():
            return Web(
                WebPlace(
                    address=target.address,
                    method=target.method,
                    user=target.user,
                    certificate=target.certificate,
                    password=safe.secret_of(target, "password"),
                    token=safe.secret_of(target, "token"),
                )
            )
        case IndiAllSkyTarget():
            site = V1Place(target.address, target.user, target.certificate, safe.secret_of(target, "key"))
            return IndiAllSky(site, sender=supplies.sender, frame_of=supplies.frame_of)
        case S3Target():
            return Store(
                S3Place(
                    endpoint=target.endpoint,
                    region=target.region,
                    bucket=target.bucket,
                    prefix=target.prefix,
                    addressing=target.addressing,
                    storage_class=target.storage_class,
                    key_id=target.key_id,
                    certificate=target.certificate,
                    secret_key=safe.secret_of(target, "secret_key"),
                )
            )
        case MqttTarget():
            from appliance.uploads.mqtt import BrokerPlace
            from appliance.uploads.mqtttarget import MqttPlace
            from appliance.uploads.mqtttarget import MqttTarget as Mqtt

            broker = BrokerPlace(
                host=target.host,
                port=target.port,
                user=target.user,
                certificate=target.certificate,
                is_plain=target.security is MqttSecurity.NONE,
                password=safe.secret_of(target, "password"),
            )
            place_there = MqttPlace(
                broker=broker,
                client=target.id,
                topic=target.topic,
                discovery=target.discovery,
                has_images=target.images,
                has_products=target.products,
            )
            return Mqtt(place_there, supplies.frame_of, supplies.sender)
        case WebhookTarget():
            return Webhook(
                WebhookPlace(
                    address=target.address,
                    format=target.format,
                    certificate=target.certificate,
                    path=safe.secret_of(target, "path"),
                    key=safe.secret_of(target, "secret"),
                    token=safe.secret_of(target, "token"),
                ),
                supplies.sender,
            )
        case MailTarget():
            return Mail(
                MailPlace(
                    host=target.host,
                    port=target.port,
                    security=target.security,
                    user=target.user,
                    sender=target.sender,
                    recipients=target.recipient_list,
                    certificate=target.certificate,
                    password=safe.secret_of(target, "password"),
                ),
                supplies.sender,
            )
