"""The build script itself: in a copy of its own, with an environment in which `python` says how it was called."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PYTHON = """#!/bin/sh
echo "pid $$"
echo "folder $PWD"
echo "path ${PYTHONPATH-unset}"
printf '<%s>\\n' "$@"
exit 7
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the repository's build script, with an environment that is up to date."""

    folder: Path
    script: Path
    environment: dict[str, str]
    """Variables; PATH holds one folder first, in which a test may put commands of its own."""

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the script and wait for it."""
        return subprocess.run(
            [self.script, *arguments],
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def replace_command(self, name: str, script: str) -> None:
        """Put a command before the machine's own."""
        _write_script(self.folder / "commands" / name, script)


def _write_script(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Copy:
    folder = tmp_path / "with a space"
    folder.mkdir()
    shutil.copy(project / "build.sh", folder)
    shutil.copy(project / "uv.lock", folder)
    python = folder / ".venv" / "bin" / "python"
    _write_script(python, PYTHON)
    digest = hashlib.sha256((folder / "uv.lock").read_bytes()).hexdigest()
    (folder / ".venv" / "key").write_text(f"{folder} {python} {digest}  -\n")
    made = Copy(folder, folder / "build.sh", {"PATH": f"{folder}/commands:{os.defpath}", "PYTHONPATH": "/elsewhere"})
    made.replace_command("dpkg-query", '#!/bin/sh\nshift 3\nprintf "ii %s\\n" "$@"\n')
    return made


def test_run_becomes_the_program_in_the_callers_folder(copy: Copy, tmp_path: Path) -> None:
    with subprocess.Popen(
        [copy.script, "run", "--data", "a b", "--port", "0"],
        cwd=tmp_path,
        env=copy.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 7
    assert output.splitlines() == [
        f"pid {process.pid}",  # the same process, so that signals reach the program
        f"folder {tmp_path}",  # so that `--data DIR` means what the caller means
        "path unset",  # a shell's own modules stay out
        *["<-P>", "<-m>", "<appliance>", "<run>", "<--development>", "<--data>", "<a b>", "<--port>", "<0>"],
    ]


def test_run_says_when_it_is_root_and_nothing_else(copy: Copy) -> None:
    said = copy.run("run").stderr
    assert said == ("build.sh: running as root: the appliance itself never does\n" if os.geteuid() == 0 else "")


def test_test_runs_pytest_at_the_root_and_hands_paths_over(copy: Copy, tmp_path: Path) -> None:
    done = copy.run("test", "tests/unit/web", "-x", cwd=tmp_path)
    assert done.returncode == 7
    assert f"folder {copy.folder}" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["<tests/unit/web>", "<-x>"]
    assert "<pytest>" in done.stdout


def test_a_missing_package_is_named_and_installed_with_a_second_try(copy: Copy) -> None:
    copy.replace_command("dpkg-query", '#!/bin/sh\nprintf "ii %s\\n" python3 python3-venv ca-certificates\necho "un indi-bin"\n')
    copy.replace_command(
        "apt-get", f'#!/bin/sh\necho "$@" >>"{copy.folder}/apt"\n[ "$(grep -c install "{copy.folder}/apt")" = 2 ]\n'
    )
    copy.replace_command("sudo", '#!/bin/sh\nexec "$@"\n')
    done = copy.run("run")
    assert done.returncode == 7
    assert "build.sh: installing Debian packages as root: indi-bin" in done.stderr
    install = "install --yes --no-install-recommends indi-bin"
    assert (copy.folder / "apt").read_text().splitlines() == [install, "update", install]


def test_a_package_that_cannot_be_installed_ends_the_start(copy: Copy) -> None:
    copy.replace_command("dpkg-query", '#!/bin/sh\nprintf "ii %s\\n" python3 python3-venv ca-certificates\n')
    copy.replace_command("apt-get", "#!/bin/sh\nexit 100\n")
    copy.replace_command("sudo", '#!/bin/sh\nexec "$@"\n')
    done = copy.run("run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "build.sh: these Debian packages could not be installed: indi-bin"


def test_a_python_that_is_too_old_is_refused(copy: Copy) -> None:
    (copy.folder / ".venv" / "key").unlink()
    for command in ("python3", "python3.11", "python3.12", "python3.13"):
        copy.replace_command(command, '#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2"\nexit 1\n')
    copy.script.write_text(copy.script.read_text().replace("/usr/bin/python3 ", ""))
    done = copy.run("run")
    assert done.returncode == 2
    assert done.stderr == "build.sh: needs Python 3.11, 3.12 or 3.13; python3 here is Python 3.9.2\n"
    assert not (copy.folder / ".venv" / "key").exists()


def test_image_becomes_the_builder_of_images(copy: Copy) -> None:
    copy.replace_command("uname", "#!/bin/sh\necho aarch64\n")
    done = copy.run("image", "--refresh-lock")
    assert done.returncode == 7
    assert f"path {copy.folder}/image-build" in done.stdout
    assert done.stdout.splitlines()[-3:] == ["<-m>", "<imagebuild>", "<--refresh-lock>"]


def test_without_an_image_there_is_nothing_to_ask(copy: Copy) -> None:
    done = copy.run("image-test")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "build.sh: there is no image in dist/ yet: ./build.sh image\n"


def test_an_image_that_has_passed_is_asked_a_few_questions_only(copy: Copy) -> None:
    python = copy.folder / ".venv/bin/python"
    image = copy.folder / "dist/nightjar-1-arm64.img.xz"
    image.parent.mkdir()
    image.touch()
    Path(f"{image}.sha256").write_text("1234  it\n")
    copy.replace_command("git", f'#!/bin/sh\ncat "{copy.folder}/tests"\n')
    copy.environment["XDG_CACHE_HOME"] = str(copy.folder / "cache")
    (copy.folder / "tests").write_text("the tests")
    (copy.folder / "cache/nightjar/image").mkdir(parents=True)

    def asked(*arguments: str) -> list[str]:
        said = copy.run("image-test", *arguments, "-x").stdout.splitlines()
        return [one.strip("<>").rpartition("/")[2] for one in said[said.index("<pytest>") + 1 : said.index("<--image>")]]

    assert asked("--once") == ["image"]
    assert asked("--once") == ["image"], "it did not pass"
    _write_script(python, PYTHON.replace("exit 7", "exit 0"))
    few = ["test_contents.py", "test_boot.py"]
    assert asked("--few") == few
    assert asked("--few", "--power-cuts", "3") == asked("--few", "--power-cuts=3") == ["test_power_cuts.py", *few]
    assert asked("--once") == ["image"], "it has passed a few only"
    assert asked("--once") == few
    assert asked() == ["image"], "whoever asks for all gets all"
    (copy.folder / "tests").write_text("other tests")
    assert asked("--once") == ["image"]
    Path(f"{image}.sha256").write_text("5678  it\n")
    assert asked("--once") == ["image"]


@pytest.mark.parametrize(("verb", "packages"), [("bundle", "rauc squashfs-tools"), ("keys", "python3 python3-venv")])
def test_bundles_and_keys_are_made_by_the_image_builders_own_parts(copy: Copy, verb: str, packages: str) -> None:
    done = copy.run(verb, "--help", "a b")
    assert done.returncode == 7, done.stderr
    assert f"path {copy.folder}/image-build\n" in done.stdout
    assert done.stdout.endswith(f"<-P>\n<-m>\n<imagebuild.{verb}>\n<--help>\n<a b>\n")
    copy.replace_command("dpkg-query", "#!/bin/sh\nexit 1\n")
    copy.replace_command("apt-get", "#!/bin/sh\nexit 1\n")
    copy.replace_command("sudo", "#!/bin/sh\nexit 1\n")
    refused = copy.run(verb)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert packages in refused.stderr


@pytest.mark.parametrize("arguments", [(), ("fly",), ("run_tests",)])
def test_an_unknown_verb_gets_the_list_of_verbs(copy: Copy, arguments: tuple[str, ...]) -> None:
    done = copy.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ./build.sh VERB")


def test_help_is_no_mistake(copy: Copy) -> None:
    done = copy.run("help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(verb in done.stdout for verb in ("run", "test", "check", "bench", "image", "image-test", "bundle", "keys"))


STEP = """#!/bin/sh
echo "<$CI> $*" >>steps
case $1 in {fails}) exit 5 ;; esac
"""


@pytest.mark.parametrize("fails", ["nothing", "check", "test", "image", "image-test"])
def test_a_clean_clone_must_pass_every_step_whatever_the_one_before_said(project: Path, tmp_path: Path, fails: str) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(project / ".ci/run", tmp_path / ".ci")
    _write_script(tmp_path / "build.sh", STEP.format(fails=fails))
    _write_script(tmp_path / "commands/git", '#!/bin/sh\n[ "$*" = "rev-parse --short=7 HEAD" ] && echo 00000ff\n')
    done = subprocess.run([tmp_path / ".ci/run"], env={"PATH": f"{tmp_path}/commands:{os.defpath}"}, check=False, timeout=60)
    steps = [line.split() for line in (tmp_path / "steps").read_text().splitlines()]
    assert [step[:2] for step in steps] == [["<true>", verb] for verb in ("check", "test", "image", "image-test")]
    assert done.returncode == (0 if fails == "nothing" else 1)
    asked = steps[3]
    assert asked[2] == "--few"
    assert [asked[asked.index(name) + 1] for name in ("--power-cuts", "--seed", "--results")] == ["3", "255", "dist"]
