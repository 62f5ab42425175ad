"""Rules about the whole source: where SQL, foreign libraries and threads live, and what lies at the top."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import appliance

PROGRAM = Path(appliance.__file__).parent

TOP_LEVEL = {
    ".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "appliance", "build.sh",
    "firmware-config", "image-build", "pyproject.toml", "rootfs-overlay", "tests", "uv.lock",
}  # fmt: skip

FOREIGN = {
    "PyIndi": "camera/indi.py",
    "argon2": "security/",
    "botocore": "uploads/s3.py",
    "bottle": "web/",
    "cryptography": "security/",
    "cv2": "imaging/",
    "indipydriver": "skysim/",
    "jeepney": "host/",
    "paho": "uploads/mqtt.py",
    "paramiko": "uploads/sftp.py",
    "peewee": "store/",
    "playhouse": "store/",
    "pydantic": "settings/",
    "pydantic_core": "settings/",
    "pyotp": "security/",
    "pysftp": "uploads/sftp.py",
    "segno": "security/",
    "simplejpeg": "imaging/",
    "waitress": "web/",
}
"""The home of each library that is neither Python's nor numpy."""

IMPORTED_AS = {"argon2-cffi": "argon2", "opencv-python-headless": "cv2", "paho-mqtt": "paho", "pyindi-client": "PyIndi"}
DATA_ONLY = {"tzdata"}
"""Dependencies that hold no module for us to import."""

SQL = re.compile(
    r"""
    \b(?: SELECT\b .* \bFROM\b | INSERT\s+(?:OR\s+\w+\s+)?INTO\b | REPLACE\s+INTO\b | UPDATE\s+\S+\s+SET\b | DELETE\s+FROM\b
        | (?:CREATE|ALTER|DROP)\s+(?:UNIQUE\s+|TEMP\s+)?(?:TABLE|INDEX|VIEW|TRIGGER)\b | PRAGMA\s+\w | VACUUM\b
        | ATTACH\s+DATABASE\b | ORDER\s+BY\b | GROUP\s+BY\b | WHERE\s+\S+\s*(?:[=<>]|IN\b|IS\b|LIKE\b) )
    | ^\s*(?: BEGIN | COMMIT | ROLLBACK | SAVEPOINT | RELEASE )\b
    | ^\s*(?: select\s+[\w*.,()\s]+\s+from\s+\w | insert\s+into\s | update\s+\w+\s+set\s | delete\s+from\s | pragma\s+\w )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Statements and clauses, as SQL is mostly written, and statements in small letters."""

RAW_SQL_CALLS = {"SQL", "RawQuery", "raw", "execute_sql", "execute", "executemany", "executescript"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of the program as its path below `appliance` and its tree."""
    for path in sorted(PROGRAM.rglob("*.py")):
        yield path.relative_to(PROGRAM).as_posix(), ast.parse(path.read_text(encoding="utf-8"), str(path))


def docstrings(tree: ast.Module) -> set[ast.Constant]:
    """Return the strings that stand alone as a statement: docstrings, of attributes too."""
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    return {value for value in statements if isinstance(value, ast.Constant)}


def sql_in(tree: ast.Module) -> list[str]:
    """Return every piece of SQL in a module, and every text that is handed over as SQL whatever it says."""
    prose = docstrings(tree)
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if node not in prose and SQL.search(text):
                found.append(f"line {node.lineno}: {text[:60]!r}")
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in RAW_SQL_CALLS and _has_text(node):
                found.append(f"line {node.lineno}: text in a call of {name}")
    return found


def _has_text(call: ast.Call) -> bool:
    return any(isinstance(node, ast.Constant) and isinstance(node.value, str) for part in call.args for node in ast.walk(part))


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and root name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name.partition(".")[0]) for alias in names)
            case ast.ImportFrom(module=module, level=level):
                yield node.lineno, "." * level if level else (module or "").partition(".")[0]
            case ast.Call(func=ast.Name(id="__import__") | ast.Attribute(attr="import_module")):
                yield node.lineno, "a name made at run time"


def strangers(path: str, tree: ast.Module) -> list[str]:
    """Return what a module imports although its home is elsewhere, or it has none."""
    known = sys.stdlib_module_names | {"appliance", "numpy"}
    foreign = [(line, name) for line, name in imports(tree) if name not in known]
    return [f"{path}:{line} {name}" for line, name in foreign if name not in FOREIGN or not path.startswith(FOREIGN[name])]


@pytest.mark.parametrize(
    "source",
    [
        'query = "SELECT id, name FROM accounts"',
        'db.run("select * from frames")',
        'where = f"night IN (SELECT night FROM {table})"',
        'x = "PRAGMA quick_check"',
        'x = "insert into frames values (1)"',
        'x = "ORDER BY id"',
        'database.execute_sql("x")',
        'connection.execute(f"{statement} LIMIT 1")',
        'Account.select().where(SQL("x"))',
        '"BEGIN IMMEDIATE"; x = "COMMIT"',
    ],
)  # fmt: skip
def test_sql_is_found(source: str) -> None:
    assert sql_in(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        '"""SELECT id FROM frames is what this module never says."""',
        'text = "Select the camera from the list"',
        'text = "Update the site and set the time zone"',
        'text = "-----BEGIN CERTIFICATE-----"',
        'Frame.delete().where(Frame.night == night).execute(database)',
        'database.execute_sql(step.statement)',
        'text = "delete the account"',
    ],
)  # fmt: skip
def test_what_is_not_sql_is_let_through(source: str) -> None:
    assert sql_in(ast.parse(source)) == []


def test_sql_stands_only_in_the_migrations() -> None:
    assert {path: found for path, tree in modules() if path != "store/migrations.py" and (found := sql_in(tree))} == {}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("web/pages/frames.py", "import peewee"),
        ("camera/service.py", "from PyIndi import BaseClient"),
        ("store/frames.py", "def late():\n    import cv2.dnn"),
        ("web/app.py", "import requests"),
        ("web/app.py", "import importlib\nimportlib.import_module(name)"),
        ("web/app.py", "from . import routes"),
    ],
)
def test_a_library_away_from_home_is_found(path: str, source: str) -> None:
    assert strangers(path, ast.parse(source))


def test_a_library_at_home_is_let_through() -> None:
    assert strangers("store/frames.py", ast.parse("import json, numpy\nfrom appliance.domain import night\nimport peewee")) == []


def test_each_foreign_library_has_one_home() -> None:
    assert [stranger for path, tree in modules() for stranger in strangers(path, tree)] == []


def test_every_dependency_is_used(project: Path) -> None:
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[<>=!~\[ ]", line)[0] for line in declared} - DATA_ONLY
    used = {name for _, tree in modules() for _, name in imports(tree)}
    assert {IMPORTED_AS.get(name, name) for name in names} - used == set()


THREADS = {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread"}
LOCKS = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"}


def calls_of(names: set[str]) -> set[str]:
    """Return the modules that call one of the names."""
    found = set()
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr
                    if isinstance(node.func, ast.Attribute)
                    else node.func.id
                    if isinstance(node.func, ast.Name)
                    else ""
                )
                if name in names:
                    found.add(path)
    return found


def test_threads_are_started_by_the_supervisor_and_the_web_server_only() -> None:
    ours = {path for path in calls_of(THREADS) if not path.startswith("skysim/")}  # a process of its own
    assert {path for path in ours if not path.startswith("web/")} == {"supervisor/worker.py"}


def test_locks_are_where_threads_meet_and_nowhere_else() -> None:
    assert calls_of(LOCKS) == {
        "supervisor/channels.py",
        "supervisor/health.py",
        "security/passwords.py",  # one Argon2 at a time
        "store/readings.py",  # what waits to be written, between housekeeping and waitress's threads
        "web/downloads.py",  # places of waitress's threads
        "web/crowd.py",  # between the TLS loop and waitress's threads
        "web/door.py",  # places of bodies, within the TLS loop
    }


def test_every_module_is_as_small_as_one_idea() -> None:
    assert {
        path: lines for path, tree in modules() if (lines := max((node.end_lineno or 0 for node in tree.body), default=0)) > 400
    } == {}


def tracked(project: Path) -> list[tuple[str, str]]:
    """Return mode and name of every file in the repository."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--stage", "-z"]
    output = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout
    return [(entry.split()[0], entry.partition("\t")[2]) for entry in output.split("\0") if entry]


@pytest.mark.needs("git")
def test_the_top_of_the_tree_is_exact(project: Path) -> None:
    assert {name.partition("/")[0] for _, name in tracked(project)} == TOP_LEVEL


@pytest.mark.needs("git")
def test_what_is_to_be_run_is_executable_and_nothing_is_a_link(project: Path) -> None:
    modes = {name: mode for mode, name in tracked(project)}
    assert modes["build.sh"] == modes[".ci/run"] == "100755"
    assert set(modes.values()) <= {"100644", "100755"}


@pytest.mark.needs("git")
def test_every_link_between_our_pages_leads_somewhere(project: Path) -> None:
    pages = [project / name for _, name in tracked(project) if name.endswith(".md")]
    targets = [
        (page, target) for page in pages for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    ]
    local = [(page, target) for page, target in targets if not re.match(r"[a-z]+:|/", target)]
    assert [f"{page.name}: {target}" for page, target in local if not (page.parent / target).exists()] == []


def test_every_test_that_a_page_names_exists(project: Path) -> None:
    named = {
        (page.name, path, test)
        for page in project.glob("*.md")
        for path, test in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8"))
    }
    missing = {
        (page, path, test)
        for page, path, test in named
        if not (project / path).is_file() or (test and f"def {test}(" not in (project / path).read_text(encoding="utf-8"))
    }
    assert missing == set()
    assert any(page == "SECURITY.md" for page, _, _ in named)


def test_the_version_is_semantic_and_stands_in_the_changelog(project: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", appliance.__version__)
    assert f"## {appliance.__version__}" in (project / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_wheel_in_the_lock_has_a_hash(project: Path) -> None:
    packages = tomllib.loads((project / "uv.lock").read_text())["package"]
    files = [
        file for package in packages for file in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
    ]
    assert len(files) > len(packages)
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]) for file in files)
