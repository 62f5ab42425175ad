"""What lies in the image, looked at from outside: nothing that opens something, and the same of everything for everybody."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild.disk import partitions

pytestmark = [pytest.mark.needs("unsquashfs", "mcopy"), pytest.mark.timeout(900)]

BASE64 = rb"[A-Za-z0-9+/=]"
OPENS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(?:[A-Za-z-]+: [^\n]*\n)*\s*" + BASE64 + rb"{40}"),
    "a hashed password": re.compile(
        rb"\$(?:1\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}|5\$(?:rounds=\d+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{43}"
        rb"|6\$(?:rounds=\d+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}|y\$[./0-9A-Za-z]+\$[./0-9A-Za-z]*\$[./0-9A-Za-z]{43}"
        rb"|2[abxy]\$\d\d\$[./0-9A-Za-z]{53}|argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$"
        + BASE64
        + rb"{11,}\$"
        + BASE64
        + rb"{16,})"
    ),
    "a token": re.compile(
        rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,}|glpat-[A-Za-z0-9_-]{20}|AKIA[A-Z0-9]{16}(?![A-Z0-9])"
        rb"|xox[abprs]-[A-Za-z0-9-]{20,}|eyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,})"
    ),
    "an address with a password": re.compile(
        rb"\b(?:https?|ftps?|sftp|mqtts?|smtps?)://[A-Za-z0-9_.-]{1,40}:[^\s@/\"'<>{}%]{3,60}@[a-z0-9-]+\.[a-z]{2,}"
    ),
}
"""Each with what it looks like, longer than the mere name of it in a library that reads or writes such things."""
PUBLISHED = {
    ("lib/aarch64-linux-gnu/libgnutls.so", "a private key"),  # of the test that the library makes of itself
    ("dist-packages/argon2_cffi", "a hashed password"),  # in its description
    ("dist-packages/botocore/", "an address with a password"),  # the others in comments
    ("dist-packages/pydantic/", "an address with a password"),
    ("dist-packages/urllib3/", "an address with a password"),
}
"""Part of a path, and what lies there for everybody to read: it opens nothing."""
OF_EVERY_DEVICE = (
    "machine-id",
    "random-seed",
    "credential.secret",
    "ssh_host_*",
    "*.nmconnection",
    "*.sqlite*",
    "vault.key",
    "*.part",
)
"""Names of files that each device makes for itself."""


@pytest.fixture(scope="module")
def contents(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that lies in the image's file systems, each in a folder of its partition's name."""
    folder = tmp_path_factory.mktemp("contents")
    known = partitions(image)
    command = ["unsquashfs", "-quiet", "-no-progress", "-no-xattrs", "-offset", str(known["root_a"][0])]
    subprocess.run([*command, "-dest", str(folder / "root_a"), str(image)], check=True, timeout=600, capture_output=True)
    for name in ("firmware", "boot_a"):
        (folder / name).mkdir()
        source = f"{image}@@{known[name][0]}"
        subprocess.run(["mcopy", "-s", "-Q", "-i", source, "::*", str(folder / name)], check=True, timeout=120)
    return folder


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def test_a_file_is_read_without_what_lies_beside_it(image: Path) -> None:
    command = ["unsquashfs", "-stat", "-offset", str(partitions(image)["root_a"][0]), str(image)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "Number of fragments 0" in said
    assert "Inodes are uncompressed" in said
    assert "Block size 131072" in said


def test_nothing_in_it_opens_anything(contents: Path) -> None:
    found = []
    for path in files(contents):
        data = path.read_bytes()
        found += [(str(path.relative_to(contents)), what) for what, form in OPENS.items() if form.search(data)]
    known = {(part, what, name) for part, what in PUBLISHED for name, kind in found if part in name and kind == what}
    assert {(part, what) for part, what, _ in known} == PUBLISHED, "what is gone need not be excused"
    assert [(name, what) for name, what in found if name not in {one for *_, one in known}] == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a private key", b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrJ6ZbE0QkMyZ0B2Dk1mV8xJfA3rYB0n0mHk7Qz1F4doAoGCCqGSM49\n"),
        ("a hashed password", b"$6$abcdefgh$" + b"a" * 86),
        ("a hashed password", b"$y$j9T$abcdefghijklmnop$" + b"b" * 43),
        ("a hashed password", b"$argon2id$v=19$m=47104,t=1,p=1$c29tZXNhbHRzb21l$aGFzaGhhc2hoYXNoaGFzaA"),
        ("a token", b'token = "ghp_' + b"a1" * 18 + b'"'),
        ("an address with a password", b"https://camera:secret99@example.com/upload"),
    ],
)
def test_what_opens_something_would_be_found(what: str, text: bytes) -> None:
    assert [name for name, form in OPENS.items() if form.search(b"\0before" + b"\n" + text + b"\nafter\0")] == [what]


def test_nothing_in_it_belongs_to_one_device(contents: Path) -> None:
    found = {path for pattern in OF_EVERY_DEVICE for path in contents.rglob(pattern) if path.is_file() and path.stat().st_size}
    assert {str(path.relative_to(contents)) for path in found} == set()
    assert (contents / "root_a/etc/machine-id").read_bytes() == b""
    assert list((contents / "root_a/var/log").iterdir()) == []


def test_nobody_has_a_password(contents: Path) -> None:
    lines = (contents / "root_a/etc/shadow").read_text().splitlines()
    assert {line.split(":")[1] for line in lines} == {"!*"}
    passwd = (contents / "root_a/etc/passwd").read_text().splitlines()
    assert {line.split(":")[1] for line in passwd} == {"x"}
    assert [line for line in passwd if line.split(":")[2] == "0"] == ["root:x:0:0:root:/root:/bin/bash"]


def test_no_test_is_in_it_and_nothing_to_log_in_with(contents: Path) -> None:
    root = contents / "root_a"
    programs = {
        path.name for folder in ("usr/bin", "usr/sbin", "usr/libexec", "usr/lib/openssh") for path in (root / folder).glob("*")
    }
    assert programs & {"sshd", "ssh", "dropbear", "telnetd", "sudo", "doas", "pkexec.real", "gcc", "cc", "gdb", "strace"} == set()
    assert list(root.rglob("nightjar-test*")) == []
    assert list(root.rglob("authorized_keys")) == []
    assert not (root / "usr/local/lib/python3.13/dist-packages/tests").exists()
    assert not (root / "usr/local/lib/python3.13/dist-packages/pytest").exists()


def test_the_owner_finds_the_file_that_is_theirs(contents: Path) -> None:
    names = {path.name for path in (contents / "firmware").iterdir()}
    assert {"nightjar.toml", "config.txt", "u-boot.bin", "boot.scr", "bootcode.bin", "start4.elf"} <= names
    assert "rpi-preseed.toml" not in names
