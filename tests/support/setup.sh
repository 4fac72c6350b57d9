# Set-up shared by examples/demo.sh, tests/run.sh and bench: what must be installed, and how Weft is built.
# Sourced by bash with `root` holding the top of the tree. Relies on Debian's apt-get; changes nothing else on the machine.
# It must never leave a service running or a policy file behind because of a package it installed.

# libdw-dev: weft ps, bt and top unwind stacks and name lines with it.
build_packages=(meson ninja-build g++ clang pkg-config binutils python3 libboost-context1.81-dev libboost-fiber1.81-dev
    libc-ares-dev doctest-dev libzydis-dev liburing-dev libcli11-dev libbenchmark-dev valgrind libcurl4-openssl-dev libdw-dev)
# The suite `gdb`: how gdb shows fibers.
build_packages+=(gdb)
# The suite `libraries`: client libraries, and the servers that its tests start for themselves. util-linux: setpriv.
library_packages=(libpq-dev postgresql libmariadb-dev mariadb-server libhiredis-dev redis-server libmemcached-dev memcached
    nginx-light libnginx-mod-http-echo openssl libsqlite3-dev util-linux)
# The suite `packaging`: man pages (lowdown, man-db), the reference (doxygen), a Debian package and the clean root that it is installed
# into, a CMake user's program.
packaging_packages=(lowdown man-db doxygen debhelper dpkg-dev fakeroot mmdebstrap cmake make)
# tests/compat/run installs what its scenarios name, each beside its scenario: some 20 servers, clients, compressors and languages.
# bench/run --install: the peers. Asio is in libboost1.81-dev; Debian's default, libboost-dev, is older and conflicts with it.
bench_packages=(libboost1.81-dev golang-go python3-gevent python3-uvloop util-linux)
demo_packages=(nginx-light libnginx-mod-http-echo python3 curl util-linux)

weft_targets=()
weft_say() { printf '== %s\n' "$*" >&2; }
weft_die() { printf 'error: %s\n' "$*" >&2; exit 1; }

weft_as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo -n "$@" || return
    else weft_die "'$*' needs root, and there is no sudo"; fi
}

# weft_install PACKAGE...: installs those that are missing; silent when nothing is.
weft_install() {
    local package state missing=()
    command -v dpkg-query >/dev/null || weft_die "this set-up knows Debian only; elsewhere install: $*"
    for package in "$@"; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || true
        [ "$state" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    weft_say "installing: ${missing[*]}"
    local log
    log=$(mktemp)
    # A package index that is too old fails at the download, so refresh it before, not after.
    if ! weft_as_root apt-get -qq update </dev/null >"$log" 2>&1; then
        tail -n 5 "$log" >&2; rm -f "$log"
        weft_die "apt-get update failed (no network?); missing packages: ${missing[*]}"
    fi
    # An index that could not be fetched is only a warning to apt-get update; the install below then says which package.
    local policy=/usr/sbin/policy-rc.d made_policy=
    if [ ! -e $policy ]; then      # keeps a server's own service from being started by its installation
        weft_as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
        made_policy=yes
        trap 'weft_as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    local rc=0
    weft_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" \
        </dev/null >"$log" 2>&1 || rc=$?
    if [ -n "$made_policy" ]; then
        weft_as_root rm -f $policy
        trap - EXIT
    fi
    if [ -d /run/systemd/system ]; then
        local pair
        for pair in nginx-light:nginx postgresql:postgresql mariadb-server:mariadb redis-server:redis-server memcached:memcached; do
            [[ " ${missing[*]} " != *" ${pair%%:*} "* ]] || weft_as_root systemctl --quiet disable "${pair#*:}" || true
        done
    fi
    if [ $rc != 0 ]; then
        tail -n 8 "$log" >&2; rm -f "$log"
        weft_die "apt-get could not install (no network?): ${missing[*]}"
    fi
    rm -f "$log"
}

# weft_build DIRECTORY [MESON OPTION...]: configures once, builds, and links the three products to DIRECTORY itself. Of a list
# `weft_targets`, if there is one, only those are built: nobody waits for tests that he does not run.
weft_build() {
    local dir=$1 jobs log
    shift
    log=$dir.log
    jobs=${WEFT_JOBS:-$(nproc)}
    weft_say "building $(basename "$dir")/ (minutes, the first time; what the compilers say is in $(basename "$log"))"
    if [ -f "$dir/build.ninja" ]; then set -- configure "$dir" "$@"; else set -- setup "$dir" "$root" "$@"; fi
    # `configure` without options prints the whole table: nothing to do then.
    if [ "$1" = setup ] || [ $# -gt 2 ]; then
        meson "$@" </dev/null >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; weft_die "meson $1 failed"; }
    fi
    ninja -C "$dir" -j "$jobs" "${weft_targets[@]}" </dev/null >"$log" 2>&1 || {
        grep -vE '^\[[0-9]+/[0-9]+\] (Compiling|Linking|Generating)' "$log" >&2; rm -f "$log"; weft_die "the build failed"; }
    grep -E 'warning:' "$log" >&2 || true
    rm -f "$log"
    weft_link "$dir"
}

# The documented paths (build/weft, build/libweft.so, build/libweft-shim.so): links that the build makes.
weft_link() {
    local dir=$1 file
    for file in weft libweft.so libweft-shim.so; do
        [ -e "$dir/$file" ] || weft_die "the build made no $file"
    done
}
