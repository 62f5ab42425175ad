#!/usr/bin/env bash
# What a developer types: sets up what is missing, then calls the step. It decides nothing else.
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
venv=$here/.venv
run_packages=(python3 python3-venv indi-bin ca-certificates)
check_packages=(python3 python3-venv shellcheck systemd indi-bin)
test_packages=("${run_packages[@]}" "${check_packages[@]}" chromium chromium-driver libnss3-tools openssl curl testssl.sh procps iproute2
    dbus dbus-daemon polkitd udisks2 network-manager avahi-daemon dnsmasq-base rauc python3-dbusmock udev kmod util-linux mount fdisk
    openssh-server openssh-client mosquitto mosquitto-clients mmdebstrap debian-archive-keyring qemu-system-x86 squashfs-tools dosfstools exfatprogs e2fsprogs mtools bmap-tools cpio gpg gpg-agent)
image_packages=(python3 python3-venv git openssl mmdebstrap debian-archive-keyring ca-certificates util-linux xz-utils)
emulation_packages=(qemu-user-static binfmt-support)  # on a computer that is not arm64 itself
bundle_packages=(python3 python3-venv git rauc squashfs-tools)
keys_packages=(python3 python3-venv)
image_test_packages=("${test_packages[@]}" qemu-system-arm qemu-utils xz-utils grub-common)  # the last reads exFAT
few_image_tests=(tests/image/test_contents.py tests/image/test_boot.py)

usage() {
    cat <<'END'
usage: ./build.sh VERB

  run [--data DIR] [--port N] [--listen ADDR] [--camera sky|ccd|NAME]
                      start the appliance here; the panel's address and the setup code are printed
  test [PATH…]        run the tests, all or those under PATH (from the repository's root), two at once
  check               look at the source: format, lint, types, layers, dead code, shell, units, advisories
  bench               measure CPU and memory of the pipeline on a 12-megapixel frame
  image [--refresh-lock] [--flavour debian|raspios] [--address URL] [--sign KEY] [--keyring FILE]
                      build the image for the card into dist/, as root; --refresh-lock takes Debian's packages of today;
                      the flavour raspios, for cameras on a Pi's ribbon cable, is not tested; FILE says whose updates it takes
  image-test [--once | --few] [ARG…]
                      boot the newest image in dist/ in an emulated machine and ask it questions; --few asks only a few, --once does
                      where this image has passed all of them; ARGs are pytest's
  bundle [--flavour debian|raspios] [--keys DIR] [--notes TEXT]
                      make the update bundle of the image in dist/, signed; installed appliances take it
  keys [DIR] [--name NAME] [--replace-signer]
                      make the keys that update bundles are signed with, outside the repository
END
}

say() { printf 'build.sh: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

need_packages() {  # PACKAGE…
    command -v dpkg-query >/dev/null || { say "not a Debian system, not checked: $(printf '%s\n' "$@" | sort -u | xargs)"; return 0; }
    local missing=() as_root=()
    mapfile -t missing < <(comm -23 <(printf '%s\n' "$@" | sort -u) \
        <(dpkg-query --show --showformat '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^.i //p' | sort -u))
    ((${#missing[@]})) || return 0
    if ((EUID)); then
        command -v sudo >/dev/null || fail "as root, run first: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get)
    say "installing Debian packages as root: ${missing[*]}"
    "${as_root[@]}" install --yes --no-install-recommends "${missing[@]}" >&2 && return
    say "the package lists may be old: apt-get update, then once more"
    "${as_root[@]}" update >&2 || true
    "${as_root[@]}" install --yes --no-install-recommends "${missing[@]}" >&2 ||
        fail "these Debian packages could not be installed: ${missing[*]}"
}

find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        "$candidate" -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
        command -v -- "$candidate"
        return
    done
    fail "needs Python 3.11, 3.12 or 3.13; python3 here is $(python3 -V 2>&1 || true)"
}

environment_key() { echo "$here $(readlink -f "$venv/bin/python") $(sha256sum <"$here/uv.lock")"; }
environment_is_current() { [[ -f $venv/key && $(<"$venv/key") == "$(environment_key)" ]]; }
environment_can_be_kept() {  # one that was moved or whose Python was upgraded cannot
    [[ -x $venv/bin/uv && -x $venv/bin/python ]] && grep -qsF "$venv" "$venv/bin/activate" &&
        [[ -d $venv/lib/$("$venv/bin/python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')/site-packages ]]
}

make_environment() (
    exec 9<"$here/uv.lock"  # two first starts at once: the second waits, then finds the work done
    flock 9
    ! environment_is_current || exit 0
    python=$(find_python)
    if ! environment_can_be_kept; then
        say "making the environment in .venv with $("$python" -V)"
        "$python" -m venv --clear "$venv"
        "$venv/bin/python" -m pip install --quiet --require-hashes --only-binary :all: --requirement <(
            "$python" -c 'if True:
                import sys, tomllib
                lock = tomllib.load(open(sys.argv[1], "rb"))
                uv = next(package for package in lock["package"] if package["name"] == "uv")
                print("uv==" + uv["version"], *("--hash=" + wheel["hash"] for wheel in uv["wheels"]))' "$here/uv.lock")
    fi
    say "installing what uv.lock names"
    UV_PROJECT_ENVIRONMENT=$venv "$venv/bin/uv" sync --quiet --frozen --system-certs --no-python-downloads --project "$here" 9<&-
    echo "$here" >"$(echo "$venv"/lib/python3.*/site-packages)/nightjar.pth"  # importable from any folder, also in children
    environment_key >"$venv/key"
)

set_up() {  # PACKAGE…
    unset PYTHONPATH PYTHONHOME VIRTUAL_ENV  # the program runs with what the lock names, not with what a shell has
    need_packages "$@"
    environment_is_current || make_environment
}

run() {
    set_up "${run_packages[@]}"
    ((EUID)) || say "running as root: the appliance itself never does"
    exec "$venv/bin/python" -P -m appliance run --development "$@"
}

run_tests() {
    set_up "${test_packages[@]}"
    cd "$here"
    exec "$venv/bin/python" -m pytest -p tests.workers --numprocesses=2 --no-loadscope-reorder "$@"
}

step() { say "check: $1"; "${@:2}" || failed+=("$1"); }  # NAME COMMAND…

with_files() {  # COMMAND…; appends the file names that it reads, and does nothing without any
    local files
    mapfile -t files
    ((!${#files[@]})) || "$@" "${files[@]}"
}

shell_files() { git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!.*[\/ ](ba|da)?sh( |$)/ { print FILENAME } { nextfile }'; }
unit_files() { git ls-files 'rootfs-overlay/usr/lib/systemd/*.service' 'rootfs-overlay/usr/lib/systemd/*.socket' 'rootfs-overlay/usr/lib/systemd/*.timer' 'rootfs-overlay/usr/lib/systemd/*.path'; }

advisories() {
    local report code=0
    report=$(UV_HTTP_RETRIES=0 "$venv/bin/uv" audit --frozen --system-certs --preview-features audit-command --no-progress 2>&1) || code=$?
    case $code:$report in
        0:*) say "no known vulnerability in what uv.lock names" ;;
        2:*"error sending request"*) say "not checked: no advisory source is reachable" && return 0 ;;
        *) printf '%s\n' "$report" ;;
    esac
    return "$code"
}

check() {
    set_up "${check_packages[@]}"
    cd "$here"
    local failed=()
    step format "$venv/bin/ruff" format --check
    step lint "$venv/bin/ruff" check
    step types "$venv/bin/mypy"
    step layers "$venv/bin/lint-imports"
    step "dead code" "$venv/bin/python" .ci/dead_code.py
    step shell with_files shellcheck < <(shell_files)
    step units with_files systemd-analyze verify --man=no < <(unit_files)
    step advisories advisories
    ((!${#failed[@]})) || { say "failed: ${failed[*]}"; exit 1; }
    say "everything checked is well"
}

bench() {
    set_up "${run_packages[@]}"
    cd "$here"
    exec "$venv/bin/python" -m tests.bench "$@"
}

build_image() {
    if [[ $(uname -m) == aarch64 ]]; then set_up "${image_packages[@]}"; else
        set_up "${image_packages[@]}" "${emulation_packages[@]}"
        can_emulate || fail "this computer does not run programs for arm64: mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc, then update-binfmts --enable qemu-aarch64"
    fi
    cd "$here"
    PYTHONPATH=$here/image-build exec "$venv/bin/python" -m imagebuild "$@"
}

make_bundle() {
    set_up "${bundle_packages[@]}"
    cd "$here"
    PYTHONPATH=$here/image-build exec "$venv/bin/python" -P -m imagebuild.bundle "$@"
}

make_keys() {
    set_up "${keys_packages[@]}"
    PYTHONPATH=$here/image-build exec "$venv/bin/python" -P -m imagebuild.keys "$@"
}

can_emulate() {
    [[ -e /proc/sys/fs/binfmt_misc/register ]] || ((EUID)) || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || true
    [[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]] || ((EUID)) || update-binfmts --enable qemu-aarch64 || true
    grep -qs '^enabled' /proc/sys/fs/binfmt_misc/qemu-aarch64
}

test_image() {
    set_up "${image_test_packages[@]}"
    cd "$here"
    local images=(dist/nightjar-*-arm64.img.xz) wanted=(tests/image) passed=
    [[ -f ${images[-1]} ]] || fail "there is no image in dist/ yet: ./build.sh image"
    if [[ ${1:-} == --once ]]; then
        passed=$(mark_of_image "${images[-1]}")
        [[ ! -e $passed ]] || { say "this image has passed all tests before: a few only"; set -- --few "${@:2}"; }
    fi
    case ${1:-} in
        --few)
            wanted=("${few_image_tests[@]}")
            [[ " $* " != *" --power-cuts"[=\ ]* ]] || wanted=(tests/image/test_power_cuts.py "${wanted[@]}")  # the longest first
            shift ;;
        --once) shift ;;
    esac
    "$venv/bin/python" -m pytest "${wanted[@]}" --image "${images[-1]}" --u-boot dist/u-boot-qemu.bin -rA "$@"
    [[ -z $passed ]] || touch "$passed"
}

mark_of_image() {  # IMAGE; where it is noted that it has passed these tests
    local sum
    sum=$({ cut -d' ' -f1 "$1.sha256"; git ls-files -s tests/image tests/integration/guest; } | sha256sum | cut -c1-16)
    printf '%s/nightjar/image/passed-%s' "${XDG_CACHE_HOME:-$HOME/.cache}" "$sum"
}

case ${1:-} in
    run | check | bench) "$@" ;;
    test) run_tests "${@:2}" ;;
    image) build_image "${@:2}" ;;
    image-test) test_image "${@:2}" ;;
    bundle | keys) "make_$1" "${@:2}" ;;
    -h | --help | help) usage ;;
    *) usage >&2; exit 2 ;;
esac
