"""What the booted machine is asked, as pieces of Python that run in it."""

LISTENING = """
import socket, pathlib
def addresses(table, size):
    for line in pathlib.Path("/proc/net", table).read_text().splitlines()[1:]:
        fields = line.split()
        host, port = fields[1].split(":")
        if fields[3] == ("0A" if table.startswith("tcp") else "07"):
            raw = b"".join(bytes.fromhex(host[i:i+8])[::-1] for i in range(0, len(host), 8))
            yield [table, socket.inet_ntop(socket.AF_INET6 if size == 16 else socket.AF_INET, raw), int(port, 16)]
answer = [one for table, size in (("tcp", 4), ("tcp6", 16), ("udp", 4), ("udp6", 16)) for one in addresses(table, size)]
"""

FILES = """
import errno, os, stat
def attributes(path):
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:  # a file system without them
            return []
        raise
answer = {"rights": [], "capabilities": [], "writable": []}
for top in given:
    device = os.lstat(top).st_dev
    for folder, folders, files in os.walk(top):
        folders[:] = [one for one in folders if os.lstat(os.path.join(folder, one)).st_dev == device]
        for name in files + folders:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                answer["rights"].append(path)
            if stat.S_ISREG(mode) and "security.capability" in attributes(path):
                answer["capabilities"].append(path)
            if not stat.S_ISLNK(mode) and mode & stat.S_IWOTH:
                answer["writable"].append(path)
"""

UNITS = """
import subprocess
def ask(*words):
    said = subprocess.run(["systemctl", *words, "--no-legend", "--plain", "--no-pager"], capture_output=True, text=True).stdout
    return sorted(line.split()[0] for line in said.splitlines() if line.strip())
answer = {
    "enabled": ask("list-unit-files", "--state=enabled"),
    "failed": ask("list-units", "--failed", "--all"),
    "state": subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True).stdout.strip(),
}
"""

ACCOUNTS = """
import pathlib
fields = [line.split(":") for line in pathlib.Path("/etc/passwd").read_text().splitlines()]
shadow = dict(line.split(":")[:2] for line in pathlib.Path("/etc/shadow").read_text().splitlines())
answer = {
    "shells": {name: shell for name, _, _, _, _, _, shell in fields},
    "numbers": {name: int(uid) for name, _, uid, *_ in fields},
    "passwords": sorted(set(shadow.values())),
}
"""

MEMORY = """
import pathlib
lines = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
answer = {name: int(lines[name].split()[0]) // 1024 for name in ("MemTotal", "MemAvailable", "SwapTotal")}
"""

NIGHTS = """
import hashlib, pathlib
top = pathlib.Path("/data/nightjar/nights")
files = [path for path in top.glob("*/*/*") if path.is_file() and path.parent.name in ("frames", "products")]
answer = {str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
"""

PLUGGED = """
import os, pathlib
def read(path):
    return path.read_text().strip()
def listed(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
answer = {"devices": {}, "inputs": listed("/sys/class/input"), "networks": listed("/sys/class/net")}
for interface in pathlib.Path("/sys/bus/usb/devices").glob("*:*"):
    device, _, number = interface.name.partition(":")
    answer["devices"].setdefault(device, {})[number] = {
        "class": read(interface / "bInterfaceClass"),
        "authorized": read(interface / "authorized"),
        "driver": os.path.basename(os.readlink(interface / "driver")) if (interface / "driver").exists() else "",
    }
nodes = [name for name in listed("/dev") if name.startswith(("hidraw", "ttyUSB", "ttyACM"))]
answer["nodes"] = nodes + listed("/dev/input")
"""

OPENED = """
import glob, os
answer = []
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if os.readlink(link) == given:
            answer.append(link)
    except OSError:  # it has ended
        pass
"""

WRITTEN = """
import os, pathlib
os.sync()
sectors = int(pathlib.Path("/sys/block/vda/stat").read_text().split()[6])
answer = {"bytes": sectors * 512, "uptime_s": float(pathlib.Path("/proc/uptime").read_text().split()[0])}
"""
