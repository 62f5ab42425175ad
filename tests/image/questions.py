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
    if os.lstat(top).st_mode & stat.S_IWOTH:
        answer["writable"].append(top)
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
    "enabled": ask("list-unit-files", "--state=enabled,enabled-runtime"),
    "activated": ask("list-units", "--type=timer,socket,path"),
    "failed": ask("list-units", "--failed", "--all"),
    "state": subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True).stdout.strip(),
}
"""

ACCOUNTS = """
import pathlib
fields = [line.split(":") for line in pathlib.Path("/etc/passwd").read_text().splitlines()]
groups = [line.split(":") for line in pathlib.Path("/etc/group").read_text().splitlines()]
shadow = dict(line.split(":")[:2] for line in pathlib.Path("/etc/shadow").read_text().splitlines())
answer = {
    "shells": {name: shell for name, _, _, _, _, _, shell in fields},
    "numbers": {name: int(uid) for name, _, uid, *_ in fields},
    "passwords": sorted(set(shadow.values())),
    "members": {name: members.split(",") if members else [] for name, _, _, members in groups},
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

VERBS = """
import os, pathlib
from jeepney import DBusAddress, DBusErrorResponse, new_method_call
from jeepney.io.blocking import open_dbus_connection
from jeepney.wrappers import unwrap_msg
POLKIT = "org.freedesktop.PolicyKit1"
AUTHORITY = DBusAddress("/org/freedesktop/PolicyKit1/Authority", POLKIT, f"{POLKIT}.Authority")
DAEMON = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
bus = open_dbus_connection("SYSTEM")
def call(whom, method, signature=None, body=()):
    return unwrap_msg(bus.send_and_get_reply(new_method_call(whom, method, signature, body), timeout=240))
def pids_of(unit):
    return [int(pid) for pid in pathlib.Path("/sys/fs/cgroup/system.slice", unit, "cgroup.procs").read_text().split()]
def connection_of(unit):
    for name in call(DAEMON, "ListNames")[0]:
        try:
            if name.startswith(":") and call(DAEMON, "GetConnectionUnixProcessID", "s", (name,))[0] in pids_of(unit):
                return ("system-bus-name", {"name": ("s", name)})
        except DBusErrorResponse:  # it has gone meanwhile
            pass
def process_of(unit):
    pid = pids_of(unit)[0]
    begun = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return ("unix-process", {"pid": ("u", pid), "start-time": ("t", begun), "uid": ("i", os.stat(f"/proc/{pid}").st_uid)})
how, unit, asked = given
subject = {"connection": connection_of, "process": process_of}[how](unit)
known = {action[0]: action[6] for action in call(AUTHORITY, "EnumerateActions", "s", ("C",))[0]}
answer = {"known": known, "given": [], "asked for a password": []}
for action in known:
    for number, details in asked.get(action, [[0, {}]]):
        body = (subject, action, details, 0, "")
        is_given, is_challenge, _ = call(AUTHORITY, "CheckAuthorization", "(sa{sv})sa{ss}us", body)[0]
        if is_given or is_challenge:
            answer["given" if is_given else "asked for a password"].append([action, number])
bus.close()
"""
