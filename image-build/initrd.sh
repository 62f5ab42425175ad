#!/bin/sh
# The first process: finds the system on the disk that the boot script started from, lays what may change above it in memory,
# and hands over. What it cannot do it says, and the machine restarts: the boot script counts, and takes the other system.
# Where there is none (the flavour raspios), the firmware starts the system that it knows, and that one counts.
set -eu
export PATH=/bin

give_up() {
    echo "nightjar: $*; restarting in 10 s" >/dev/kmsg
    sleep 10
    reboot -f
}

option() {  # NAME: its value on the kernel's command line
    tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | head -n 1
}

load_drivers() {  # of all that the kernel has found so far, as far as it lies here
    find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u | xargs modprobe -a -b -q 2>/dev/null || true
}

partition() {  # UUID: name of the partition's device, found in the disks' tables: this kernel does not tell by itself
    bytes=$(echo "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)-\(..\)\(..\)-\(..\)\(..\)-/\4\3\2\1\6\5\8\7/; s/-//g')
    for known in /sys/class/block/*/partition; do
        [ -e "$known" ] || continue
        place=$(readlink -f "${known%/partition}")
        in_front=$((64 + 8 * ($(cat "$known") - 1) + 1))  # in pieces of 16 bytes: the table, its entries, their own id
        found=$(dd if="/dev/$(basename "${place%/*}")" bs=16 skip="$in_front" count=1 2>/dev/null | hexdump -v -e '1/1 "%02x"')
        if [ "$found" = "$bytes" ]; then
            basename "$place"
            return
        fi
    done
}

sibling() {  # NAME: device of the partition of this name on the system's own disk, whatever other disks there are
    grep -ls "^PARTNAME=$1\$" "/sys/class/block/$disk/"*/uevent | head -n 1 | sed 's|/uevent$||; s|.*/||'
}

slot_of_firmware() {  # the system whose boot partition the Pi's firmware took: both have the same command line
    case $(hexdump -v -e '1/1 "%02x"' /sys/firmware/devicetree/base/chosen/bootloader/partition 2>/dev/null) in
    00000003) echo A ;;
    00000004) echo B ;;
    esac
}

identity() {  # the machine-id that was written at the first start: two copies, each with its sum
    for copy in 1 5; do  # MiB: nightjar-persist writes them
        line=$(dd if="/dev/$1" bs=1M skip="$copy" count=1 2>/dev/null | head -c 108 | tr -cd '0-9a-z \n-')
        id=$(echo "$line" | sed -n 's/^machine-id \([0-9a-f]\{32\}\) .*/\1/p')
        sum=$(echo "$line" | sed -n 's/^machine-id [0-9a-f]* \([0-9a-f]\{64\}\)$/\1/p')
        if [ -n "$id" ] && [ "$(printf 'machine-id %s' "$id" | sha256sum | cut -d ' ' -f 1)" = "$sum" ]; then
            echo "$id"
            return
        fi
    done
}

above() {  # FOLDER OPTIONS: lays memory above a folder of the system
    mkdir "/run/nightjar-volatile/$1" "/run/nightjar-volatile/.$1"
    mount -t overlay -o "$2,lowerdir=/system/$1,upperdir=/run/nightjar-volatile/$1,workdir=/run/nightjar-volatile/.$1" "$1" "/system/$1"
}

trap 'give_up "the start failed"' EXIT
mount -t devtmpfs -o nosuid,noexec dev /dev
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t tmpfs -o nosuid,nodev,mode=0755,size=20% run /run
modprobe -a squashfs overlay

uuid=$(option root | sed -n 's/^PARTUUID=//p')
slot=
if [ -z "$uuid" ]; then  # no boot script chose: the firmware did
    slot=$(slot_of_firmware)
    [ -n "$slot" ] || give_up "neither the kernel's command line nor the firmware tells which system starts"
    uuid=$(option "nightjar.root_$slot" | sed -n 's/^PARTUUID=//p')
fi
[ -n "$uuid" ] || give_up "the kernel's command line names no PARTUUID of a system"
tries=0
load_drivers
until root=$(partition "$uuid") && [ -n "$root" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || give_up "no partition $uuid appeared"
    sleep 0.5
    load_drivers
done
disk=$(basename "$(dirname "$(readlink -f "/sys/class/block/$root")")")
mount -t squashfs -o ro,nodev "/dev/$root" /system || give_up "/dev/$root holds no system"

mkdir /run/nightjar-volatile /run/nightjar-boot
mount -t tmpfs -o nosuid,nodev,mode=0755,size=96m,nr_inodes=16k volatile /run/nightjar-volatile
above etc nosuid,nodev
above var nosuid,nodev,noexec

# Partitions are called by their names on this disk only: a second card of the same kind must never be taken for ours.
echo "$disk" >/run/nightjar-boot/disk
[ -z "$slot" ] || echo "rauc.slot=$slot" >/run/nightjar-boot/slot
mkdir -p /run/udev/rules.d
echo "SUBSYSTEM==\"block\", ENV{DEVTYPE}==\"partition\", KERNELS==\"$disk\", ENV{ID_PART_ENTRY_NAME}==\"?*\", SYMLINK+=\"nightjar/\$env{ID_PART_ENTRY_NAME}\"" \
    >/run/udev/rules.d/70-nightjar-disk.rules
# udev comes to them when it comes to them; a unit's sandbox looks its devices up when the unit starts.
mkdir /dev/nightjar
for known in /sys/class/block/"$disk"/*/uevent; do
    name=$(sed -n 's/^PARTNAME=\([a-z_]*\)$/\1/p' "$known")
    [ -z "$name" ] || ln -s "../$(basename "${known%/uevent}")" "/dev/nightjar/$name"
done

state=$(sibling bootstate)
if [ -n "$state" ]; then
    known=$(identity "$state")
    [ -z "$known" ] || echo "$known" >/system/etc/machine-id
fi

for folder in dev proc sys run; do mount -o move "/$folder" "/system/$folder"; done
trap - EXIT
exec switch_root /system /sbin/init
