"""The first stage: Debian as installed, and the Debian of the building machine's own kind whose tools make the rest.

An emulated processor is slow, and most of what installing packages runs is not the packages' own. So the tools' programs are
bound over those of the root that is being filled, as far as they are not what tells architectures apart.
"""

import platform
from collections.abc import Iterator
from pathlib import Path

from imagebuild import archive
from imagebuild.lock import Package
from imagebuild.room import run_in
from imagebuild.run import BuildError, clean_environment, run

TARGET = "arm64"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Which building machines there are: how the kernel calls them, and Debian."""
LEFT_OUT = (
    "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/lintian/*",
    "/usr/share/bash-completion/*", "/usr/share/zsh/*", "/usr/lib/udev/hwdb.d/*",
)  # fmt: skip
KEPT = ("/usr/share/doc/*/copyright",)
EMULATED = {"dpkg", "dpkg-query", "dpkg-trigger", "dpkg-divert", "ldconfig", "ld.so", "getconf"}
"""Programs of the root itself: they know by themselves for which processor they were made."""
POOL = "/run/nightjar-packages"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
COMPILER = "usr/lib/python3.13/py_compile.py"
"""What packages have Python's files compiled with: minutes of emulation for what the tools' Python does in seconds."""
NO_COMPILER = 'import sys\n\nif __name__ == "__main__":\n    sys.stdin.read()\n'
"""In its place until all is installed. It takes the names that it is given: who writes them must find somebody who reads."""


def architecture() -> str:
    """Return the building machine's.

    Raises
    ------
    BuildError
        If it is of neither kind.
    """
    try:
        return MACHINES[platform.machine()]
    except KeyError as error:
        raise BuildError(f"builds on amd64 and arm64, this machine is {platform.machine()}") from error


def make_tools(folder: Path, repository: Path) -> None:
    """Install the tools in `folder/root`."""
    _bootstrap(folder / "root", repository, architecture(), include=_names(repository), left_out=LEFT_OUT)


def make_base(folder: Path, repository: Path) -> None:
    """Install in `folder/root` what every Debian has, and apt: all of it by emulation."""
    _bootstrap(folder / "root", repository, TARGET, include=(), left_out=(*LEFT_OUT, f"/{COMPILER}"))


def make_system(folder: Path, base: Path, repository: Path, tools: Path) -> None:
    """Install the image's packages in `folder/root`, above what every Debian has."""
    root = folder / "root"
    run("cp", "--archive", "--reflink=auto", base / "root", root)
    (root / COMPILER).parent.mkdir(parents=True)
    _install(root, repository, tools)
    (package,) = repository.glob("libpython3.13-minimal_*.deb")
    (root / COMPILER).unlink()
    run("sh", "-c", 'dpkg-deb --fsys-tarfile "$0" | tar --extract --directory "$1" --file=- "$2"', package, root, f"./{COMPILER}")


def make_extended(folder: Path, system: Path, repository: Path, tools: Path) -> None:
    """Install more packages in `folder/root`, above the system."""
    root = folder / "root"
    run("cp", "--archive", "--reflink=auto", system / "root", root)
    compiler = (root / COMPILER).read_bytes()
    _install(root, repository, tools)
    (root / COMPILER).write_bytes(compiler)


def _install(root: Path, repository: Path, tools: Path) -> None:
    """Install all packages of a folder, and none from elsewhere."""
    (root / COMPILER).write_text(NO_COMPILER)
    native = architecture() != TARGET
    binds = dict(_native_tools(root, tools / "root")) if native else {}
    (root / "etc/apt/apt.conf.d/00image").write_text(
        f'APT::Architecture "{TARGET}";\nAPT::Architectures "{TARGET}";\nAPT::Install-Recommends "false";\n'
        f'APT::Sandbox::User "root";\nAcquire::Languages "none";\nDpkg::Use-Pty "false";\n'
    )
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] copy:{POOL} ./\n")
    # No service starts while it is installed.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    binds[POOL] = repository
    run_in(root, "apt-get", "update", binds=binds)
    run_in(root, "apt-get", "install", "--yes", *_names(repository), binds=binds)
    run_in(root, "ldconfig")
    if complaints := run_in(root, "dpkg", "--audit"):
        raise BuildError(f"not all packages are installed well: {complaints[:2000]}")
    policy.unlink()
    if native:
        (root / "lib64").unlink()
        for name in (LIBRARIES, "usr/lib64"):
            (root / name).rmdir()


def _bootstrap(root: Path, repository: Path, of: str, *, include: tuple[str, ...], left_out: tuple[str, ...]) -> None:
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", f"--architectures={of}", "--format=directory"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in left_out]
    command += [f"--dpkgopt=path-include={pattern}" for pattern in KEPT]
    command += ["--aptopt=APT::Install-Recommends false", "--skip=check/qemu"]
    command += [f"--include={','.join(include)}"] if include else []
    # The folder itself must be readable for apt's own user, and is not where caches are private.
    command += ['--aptopt=APT::Sandbox::User "root"', archive.RELEASE, str(root), f"deb [trusted=yes] copy:{repository} ./"]
    run(*command, environment={**clean_environment(), "TMPDIR": str(root.parent)})


def _names(repository: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name.partition("_")[0] for path in repository.glob("*.deb")))


def _native_tools(root: Path, tools: Path) -> Iterator[tuple[str, Path]]:
    """Yield which programs of this machine's kind take the place of which: those that both have, with their libraries."""
    (root / "lib64").symlink_to("usr/lib64")
    for name in (LIBRARIES, "usr/lib64"):
        (root / name).mkdir()
        yield f"/{name}", tools / name
    for folder in ("usr/bin", "usr/sbin"):
        for program in sorted((tools / folder).iterdir()):
            place = root / folder / program.name
            if program.name in EMULATED or program.is_symlink() or place.is_symlink() or not place.is_file():
                continue
            if _is_program(program) and _is_program(place):
                yield f"/{folder}/{program.name}", program


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def unpack(packages: tuple[Package, ...], pool: Path, folder: Path) -> None:
    """Take packages apart, each in a folder of its name."""
    for package in packages:
        run("dpkg-deb", "--extract", pool / package.file, folder / package.name)
