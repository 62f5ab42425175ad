"""No code path reaches the network without verification: what would switch it off stands in one place, which sends nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

APPLIANCE = Path(__file__).parents[2] / "appliance"
SUSPECT = {
    "CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "get_server_certificate", "AutoAddPolicy", "WarningPolicy",
    "tls_insecure_set", "verify_mode", "check_hostname",
}  # fmt: skip
"""Names that weaken a check, or may."""
ALLOWED = {
    # A handshake in memory between two ends of our own: whether a key and certificate that are to be served are taken at all.
    ("security/servercontext.py", "_takes", "CERT_NONE"),
    ("security/servercontext.py", "_takes", "check_hostname"),
    ("security/servercontext.py", "_takes", "verify_mode"),
    # What a server shows, for a person to compare before it is trusted, or to compare with a fingerprint that one gave.
    ("uploads/trust.py", "_looking", "CERT_NONE"),
    ("uploads/trust.py", "_looking", "check_hostname"),
    ("uploads/trust.py", "_looking", "verify_mode"),
}


def weak_places(path: str, tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield file, function and name wherever a suspect stands, and every `verify=False`."""

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, str, str]]:
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.Attribute) and node.attr in SUSPECT:
            yield path, function, node.attr
        if isinstance(node, ast.Name) and node.id in SUSPECT:
            yield path, function, node.id
        if isinstance(node, ast.keyword) and node.arg in {"verify", "check_hostname"} and isinstance(node.value, ast.Constant):
            yield path, function, node.arg
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function)

    return walk(tree, "")


def test_verification_is_switched_off_nowhere_but_to_look() -> None:
    files = sorted(APPLIANCE.rglob("*.py"))
    found = [
        place for file in files for place in weak_places(file.relative_to(APPLIANCE).as_posix(), ast.parse(file.read_text()))
    ]
    assert set(found) == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "context.verify_mode = ssl.CERT_NONE",
        "ssl._create_unverified_context()",
        "client.set_missing_host_key_policy(paramiko.AutoAddPolicy())",
        "get(address, verify=False)",
        "context.check_hostname = False",
        "client.tls_insecure_set(True)",
    ],
)
def test_a_switched_off_check_is_found(source: str) -> None:
    assert list(weak_places("x.py", ast.parse(source)))
