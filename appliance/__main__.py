"""The command line: `python -m appliance run | develop | check-settings | print-settings | reset-admin | ...`."""

import argparse
import logging
import os
import sys
from pathlib import Path

from appliance import __version__
from appliance.domain.errors import NightjarError, SettingsError, StartError
from appliance.security.openssl import name_configuration

EXIT_REFUSED = 2


def _default_data() -> Path:
    named = os.environ.get("NIGHTJAR_DATA")
    if named:
        return Path(named)
    try:
        return Path.home() / ".local" / "share" / "nightjar"
    except RuntimeError:  # a user without a home, as services have
        return Path("/data/nightjar")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 (any free one) to 65535, not {text!r}")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = argparse.ArgumentParser(prog="nightjar", description="An all-sky camera appliance.")
    parser.add_argument("--version", action="version", version=f"nightjar {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, default=_default_data(), help="data folder (default: %(default)s)")

    run = commands.add_parser("run", parents=[data], help="run the appliance in the foreground")
    run.add_argument("--development", action="store_true", help="on a computer of yours, not on the appliance")
    run.add_argument("--listen", metavar="ADDR", help="development only: address of the panel (default: 127.0.0.1)")
    run.add_argument("--port", type=_port, help="development only: port of the panel (default: 8443)")
    run.add_argument(
        "--camera",
        metavar="sky|ccd|DRIVER",
        help="sky: the sky simulator; ccd: INDI's CCD simulator; or the name of an installed INDI driver "
        "(default in development: sky, on the appliance: none)",
    )

    develop = commands.add_parser("develop", help="develop FITS files through the pipeline of camera frames")
    _add_develop(develop)

    check = commands.add_parser("check-settings", help="check a settings file and name every problem")
    check.add_argument("file", type=Path)
    commands.add_parser("print-settings", parents=[data], help="print the settings in force as JSON")
    commands.add_parser(
        "reset-admin",
        parents=[data],
        help="let whoever holds this machine claim it again: prints a new setup code at the next start",
    )
    issue = commands.add_parser("issue-certificates", help="on the appliance, as user nightjar-ca: make or renew what is due")
    _add_issue_certificates(issue)
    commands.add_parser("export-child", help="started by the appliance for each copy to a USB stick: reads a task from stdin")
    return parser


def _add_issue_certificates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--private", type=Path, default=Path("/data/nightjar-ca"), help="the authority (default: %(default)s)")
    parser.add_argument("--handed", type=Path, default=Path("/data/nightjar-tls"), help="for the panel (default: %(default)s)")
    parser.add_argument("--machine-id", type=Path, default=Path("/etc/machine-id"), help="default: %(default)s")


def _add_develop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FITS", help="frames to develop; 8-bit JPEG files are read too")
    parser.add_argument("--dark", type=Path, metavar="FILE", help="a dark frame, subtracted from every frame")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="develop each file N times (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write pictures, thumbnails, keogram and star trail there")
    parser.add_argument("--timings", type=Path, metavar="FILE", help="write milliseconds of every stage as JSON")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; what is refused is said in one line, with exit code 2."""
    name_configuration()  # before anything loads OpenSSL
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        return _dispatch(options)
    except SettingsError as error:
        for problem in error.problems:
            print(f"nightjar: {problem.path}: {problem.message}", file=sys.stderr)
    except NightjarError as error:
        print(f"nightjar: {error}", file=sys.stderr)
    return EXIT_REFUSED


def _dispatch(options: argparse.Namespace) -> int:
    # Each command imports what it needs: `develop` should not pay for a web server, nor the panel's start for all of this.
    match options.command:
        case "run":
            from appliance import compose

            return compose.run(compose.Options(options.data, options.listen, options.port, options.camera, options.development))
        case "develop":
            from appliance.pipeline import cli

            return cli.run(options)
        case "check-settings":
            from appliance.settings.parse import from_json

            try:
                from_json(options.file.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise StartError(f"{options.file} cannot be read: {error}") from error
            print(f"{options.file}: good")
            return 0
        case "print-settings":
            from appliance import compose

            return compose.print_settings(options.data)
        case "issue-certificates":
            from appliance.web import certify

            return certify.run(certify.Places(options.private, options.handed, options.machine_id))
        case "export-child":
            from appliance.export import child

            return child.run()
        case _:
            from appliance import compose

            return compose.reset_admin(options.data)


if __name__ == "__main__":
    sys.exit(main())
