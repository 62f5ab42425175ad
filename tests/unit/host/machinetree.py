"""A made-up `/proc` and `/sys`: what a Raspberry Pi 4 with an eMMC and Wi-Fi shows, to be changed file by file."""

from collections.abc import Mapping
from pathlib import Path

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
ALARM = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"
MMC = "sys/devices/platform/emmc2bus/mmc_host/mmc0/mmc0:0001"
LIFE, SPARE = f"{MMC}/life_time", f"{MMC}/pre_eol_info"
ERRORS = "sys/fs/ext4/mmcblk0p7/errors_count"
MOUNTS = "proc/self/mountinfo"
WIRELESS = "proc/net/wireless"
WIRELESS_HEAD = (
    "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n"
    " face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"
)

FILES: Mapping[str, str] = {
    "proc/loadavg": "0.52 1.04 2.08 1/210 4711\n",
    "proc/uptime": "98765.43 300000.10\n",
    "proc/meminfo": "MemTotal:         948280 kB\nMemAvailable:     474140 kB\nHugePages_Total:       0\n",
    "proc/pressure/memory": "some avg10=9.00 avg60=8.00 avg300=7.00 total=1\nfull avg10=0.10 avg60=1.25 avg300=0.00 total=2\n",
    "proc/pressure/io": "some avg10=9.00 avg60=8.00 avg300=7.00 total=1\nfull avg10=0.10 avg60=12.50 avg300=0.00 total=2\n",
    MOUNTS: (
        "22 1 0:19 / / ro,relatime - squashfs /dev/mmcblk0p5 ro\n"
        "23 22 179:7 / /data rw,noatime shared:1 - ext4 /dev/mmcblk0p7 rw\n"
        "24 22 0:21 / /data\\040two rw - tmpfs tmpfs rw\n"
    ),
    WIRELESS: WIRELESS_HEAD + " wlan0: 0000   58.  -52.  -256        0      0      0      3      0        0\n",
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    TEMPERATURE: "52095\n",
    "sys/class/thermal/thermal_zone1/type": "iwlwifi_1\n",
    "sys/class/thermal/thermal_zone1/temp": "99000\n",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon0/temp1_input": "52100\n",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    ALARM: "0\n",
    THROTTLED: "0\n",
    f"{MMC}/type": "MMC\n",
    f"{MMC}/name": "BJTD4R\n",
    f"{MMC}/date": "08/2024\n",
    LIFE: "0x02 0x03\n",
    SPARE: "0x01\n",
    f"{MMC}/block/mmcblk0/mmcblk0p7/partition": "7\n",
    ERRORS: "0\n",
    "sys/class/net/lo/flags": "0x9\n",
    "sys/class/net/eth0/device/uevent": "",
    "sys/class/net/eth0/flags": "0x1003\n",
    "sys/class/net/eth0/carrier": "0\n",
    "sys/class/net/eth0/statistics/rx_bytes": "0\n",
    "sys/class/net/eth0/statistics/tx_bytes": "0\n",
    "sys/class/net/wlan0/device/uevent": "",
    "sys/class/net/wlan0/wireless/beacon": "",
    "sys/class/net/wlan0/flags": "0x1003\n",
    "sys/class/net/wlan0/carrier": "1\n",
    "sys/class/net/wlan0/statistics/rx_bytes": "123456\n",
    "sys/class/net/wlan0/statistics/tx_bytes": "7890\n",
}

LINKS: Mapping[str, str] = {
    "sys/block/mmcblk0": f"{MMC}/block/mmcblk0",
    "sys/dev/block/179:7": f"{MMC}/block/mmcblk0/mmcblk0p7",
    f"{MMC}/block/mmcblk0/device": MMC,
}


def plant(root: Path, files: Mapping[str, str] = FILES, links: Mapping[str, str] = LINKS) -> Path:
    """Write the files below a root, and links from one to another."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, target in links.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(root / target)
    return root
