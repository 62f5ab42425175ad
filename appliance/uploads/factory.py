"""From a target's settings and its opened credentials to the target itself."""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.errors import UploadError, VaultError
from appliance.domain.fault import Fault
from appliance.domain.frame import StoredFrame
from appliance.domain.secret import Secret
from appliance.security.bound import open_for
from appliance.security.vault import Vault
from appliance.settings.targets import FtpTarget, S3Target, SftpTarget, Target, WebTarget, credential_name
from appliance.store.credentials import CredentialStore
from appliance.uploads import port
from appliance.uploads.ftp import FtpPlace
from appliance.uploads.ftp import FtpTarget as Ftp
from appliance.uploads.s3 import S3Place
from appliance.uploads.s3 import S3Target as Store
from appliance.uploads.sftp import SftpPlace
from appliance.uploads.sftp import SftpTarget as Sftp
from appliance.uploads.webdav import WebPlace
from appliance.uploads.webdav import WebTarget as Web


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


def make_target(target: Target, supplies: Supplies) -> port.Target:
    """Build a target; nothing is connected yet.

    Raises
    ------
    UploadError
        If a credential cannot be used.
    """
    safe = supplies.safe
    match target:
        case SftpTarget():
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
