# Chooses which of the two systems starts. Run by U-Boot, on a Pi and in QEMU alike.
#
# Each system has a number of attempts. One is taken away before a start, and whoever finds the started system healthy gives all
# back; so a system that never gets that far is left after three starts. The numbers lie twice on partition 2, each copy with its
# sum. Copy 2 is written first: wherever the power fails, one whole copy is left. Without any, the numbers of a new card are taken.

setenv attempts 3
setexpr state_copy 2 * 0x1000  # 4 MiB, in blocks of 512 bytes
setexpr state_at ${kernel_addr_r} + 0x7000000
# Of our own: a kernel is larger than U-Boot's own address for the initrd on a Pi expects.
setexpr initrd_at ${kernel_addr_r} + 0x4000000

part start ${devtype} ${devnum} 2 state_1
setexpr state_2 ${state_1} + ${state_copy}
${devtype} dev ${devnum}

setenv BOOT_ORDER
if ${devtype} read ${state_at} ${state_1} 1 && env import -c ${state_at} 0x200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; then
    true
elif ${devtype} read ${state_at} ${state_2} 1 && env import -c ${state_at} 0x200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; then
    echo "nightjar: copy 1 of the boot state is damaged, copy 2 is taken"
fi
if test -z "${BOOT_ORDER}"; then
    echo "nightjar: no boot state, that of a new card is taken"
    setenv BOOT_ORDER "A B"
    setenv BOOT_A_LEFT ${attempts}
    setenv BOOT_B_LEFT ${attempts}
fi

setenv slot
for candidate in ${BOOT_ORDER}; do
    if test -n "${slot}"; then
        true
    elif test "${candidate}" = A && test ${BOOT_A_LEFT} -gt 0; then
        setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
        setenv slot A
        setenv boot_part 3
        setenv root_part 5
    elif test "${candidate}" = B && test ${BOOT_B_LEFT} -gt 0; then
        setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
        setenv slot B
        setenv boot_part 4
        setenv root_part 6
    fi
done
if test -z "${slot}"; then
    echo "nightjar: no system has an attempt left, all get theirs back"
    setenv BOOT_A_LEFT ${attempts}
    setenv BOOT_B_LEFT ${attempts}
fi

env export -c -s 0x200 ${state_at} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
${devtype} write ${state_at} ${state_2} 1
${devtype} write ${state_at} ${state_1} 1
if test -z "${slot}"; then
    reset
fi

echo "nightjar: starting system ${slot}, attempts left: A ${BOOT_A_LEFT}, B ${BOOT_B_LEFT}"
part uuid ${devtype} ${devnum}:${root_part} root_uuid
setenv bootargs "root=PARTUUID=${root_uuid} ro rauc.slot=${slot} quiet loglevel=4 panic=10 fsck.repair=yes systemd.gpt_auto=no"
# A screen on a Pi; QEMU's machine has a serial line only.
if test "${board}" = qemu-arm; then
    setenv bootargs "${bootargs} console=ttyAMA0"
else
    setenv bootargs "${bootargs} console=tty0"
fi
if load ${devtype} ${devnum}:${boot_part} ${kernel_addr_r} vmlinuz && load ${devtype} ${devnum}:${boot_part} ${initrd_at} initrd.img; then
    booti ${kernel_addr_r} ${initrd_at}:${filesize} ${fdt_addr}
fi
echo "nightjar: system ${slot} cannot be started"
reset
