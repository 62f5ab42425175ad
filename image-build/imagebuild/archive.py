"""Debian's archive, asked by apt in a folder of its own: what it has today, and the very files that the lock names.

How it is reached (proxies, whether a mirror is a frozen one) is this machine's own apt's business.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.lock import Package
from imagebuild.run import BuildError, clean_environment, run

RELEASE = "trixie"
COMPONENTS = "main contrib non-free non-free-firmware"
"""The driver of ZWO's cameras is not free, nor is what a Pi and its Wi-Fi start from."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FILES_AT_ONCE = 60


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from, and whose keys are believed."""

    address: str
    suite: str
    components: str
    keyring: Path

    @property
    def line(self) -> str:
        """As apt reads it."""
        return f"deb [signed-by={self.keyring}] {self.address} {self.suite} {self.components}\n"


DEBIAN = tuple(
    Source(address, suite, COMPONENTS, KEYRING)
    for address, suite in (
        ("http://deb.debian.org/debian", RELEASE),
        ("http://deb.debian.org/debian", f"{RELEASE}-updates"),
        ("http://deb.debian.org/debian-security", f"{RELEASE}-security"),
    )
)


@dataclass(frozen=True, slots=True)
class Archive:
    """Debian for one architecture, as apt sees it from an empty machine."""

    architecture: str
    folder: Path
    beside: tuple[Source, ...] = ()
    """Archives from which packages come, too."""
    refresh: str = "./build.sh image --refresh-lock"
    """What takes the versions of today."""

    def update(self) -> None:
        """Fetch the archives' lists, verified with their keys.

        Raises
        ------
        BuildError
            If one cannot be reached, is signed by others, or this machine does not have its keys.
        """
        for source in self.beside:
            if not source.keyring.is_file():
                raise BuildError(f"{source.keyring} is missing: put the keyring there that {source.address} is signed with")
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        (self.folder / "etc/sources.list").write_text("".join(source.line for source in (*DEBIAN, *self.beside)))
        settings = {
            "Dir": self.folder, "Dir::Etc": self.folder / "etc", "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "status", "Dir::Cache": self.folder / "cache",
            "APT::Architecture": self.architecture, "APT::Architectures": self.architecture, "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false", "Acquire::Languages": "none",
        }  # fmt: skip
        ours = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        (self.folder / "apt.conf").write_text("".join(f"{line}\n" for line in _ways_of_this_machine()) + ours)
        self._apt("apt-get", "update", "--error-on=any")

    def resolve(self, names: Sequence[str], *, with_essential: bool) -> list[tuple[str, str]]:
        """Return names and versions of all that has to be installed for these, on an empty machine."""
        essential: list[str] = []
        if with_essential:
            stanzas = self._apt("apt-cache", "dumpavail").split("\n\n")
            essential = sorted({_field(one, "Package") for one in stanzas if "\nEssential: yes" in one} | {"apt", "base-files"})
        said = self._apt("apt-get", "--simulate", "install", *essential, *names)
        found = []
        for line in said.splitlines():
            if line.startswith("Inst "):
                _, name, version, *_ = line.split()
                found.append((name.partition(":")[0], version.strip("(")))
        return found

    def newest(self, name: str) -> tuple[str, str]:
        """Return a package and the version that would be installed; for a kernel's name the package that it stands for."""
        stanza = self._apt("apt-cache", "show", "--no-all-versions", name)
        if name.startswith("linux-image-"):
            name = _field(stanza, "Depends").partition(" ")[0]
            stanza = self._apt("apt-cache", "show", "--no-all-versions", name)
        return name, _field(stanza, "Version")

    def described(self, use: str, wanted: Iterable[tuple[str, str]]) -> list[Package]:
        """Return packages with architecture, hash and size."""
        found = []
        said = self._apt("apt-cache", "show", *(f"{name}={version}" for name, version in wanted))
        for stanza in filter(None, said.split("\n\n")):
            name, version, sha256, size = (_field(stanza, one) for one in ("Package", "Version", "SHA256", "Size"))
            found.append(Package(use, name, version, _field(stanza, "Architecture"), sha256, int(size)))
        return found

    def download(self, packages: Sequence[Package], pool: Path) -> None:
        """Bring the files that the pool lacks, and hold each to its hash.

        Raises
        ------
        BuildError
            If the archive no longer has a version, by its name; or a file is not the one that the lock names.
        """
        pool.mkdir(parents=True, exist_ok=True)
        missing = [package for package in packages if not (pool / package.file).is_file()]
        if not missing:
            return
        known = self._apt("apt-cache", "madison", *sorted({package.name for package in missing}))
        has = {tuple(part.strip() for part in line.split("|")[:2]) for line in known.splitlines()}
        if gone := [f"{one.name} {one.version}" for one in missing if (one.name, one.version) not in has]:
            raise BuildError(f"the archive no longer has {', '.join(gone)}: {self.refresh} takes the versions of today")
        new = pool / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for begin in range(0, len(missing), FILES_AT_ONCE):
            names = [f"{one.name}={one.version}" for one in missing[begin : begin + FILES_AT_ONCE]]
            self._apt("apt-get", "download", *names, folder=new)
        for package in missing:
            file = new / package.file
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != package.sha256:
                raise BuildError(f"{package.name} {package.version} came with another hash than the lock names: nothing was used")
            file.replace(pool / package.file)
        shutil.rmtree(new)

    def _apt(self, *command: str, folder: Path | None = None) -> str:
        environment = {**os.environ, **clean_environment(), "APT_CONFIG": str(self.folder / "apt.conf")}
        return run(*command, environment=environment, folder=folder, timeout_s=1800)


def make_repository(folder: Path, pool: Path, packages: Sequence[Package]) -> None:
    """Make a folder that apt takes for an archive holding exactly these packages."""
    folder.mkdir(parents=True)
    stanzas = []
    for package in packages:
        (folder / package.file).hardlink_to(pool / package.file)
        control = run("dpkg-deb", "--field", pool / package.file).rstrip()
        stanzas.append(f"{control}\nFilename: ./{package.file}\nSize: {package.size}\nSHA256: {package.sha256}\n")
    (folder / "Packages").write_text("\n".join(stanzas), encoding="utf-8")


def _field(stanza: str, name: str) -> str:
    for line in stanza.splitlines():
        if line.startswith(f"{name}: "):
            return line.partition(": ")[2]
    raise BuildError(f"the archive says nothing of {name} in: {stanza[:200]!r}")


def _ways_of_this_machine() -> list[str]:
    """Return how this machine's own apt reaches Debian."""
    ways = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
    return [line for line in run("apt-config", "dump", "Acquire").splitlines() if line.startswith(ways) and '""' not in line]
