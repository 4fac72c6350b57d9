#!/usr/bin/env bash
# What Weft is for, in two parts. First one unmodified server binary with a thread per connection, natively and by `weft run`, under
# load at 100, 1,000 and 10,000 connections: a table, and a plot in build/headline.svg. Then 500 URLs, each answered after 200 ms by
# nginx, fetched by the same program three ways: one after the other, one OS thread per URL, one fiber per URL on a single OS thread.
# Prints comparisons as tables and fails if rows differ or if Weft was not active. Installs what is missing, builds what it runs into
# build/, needs no input.
#   examples/demo.sh [--full]     --full: the sequential run takes all URLs instead of a sample (about 100 s)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/support/setup.sh"

urls=500 sample=10
[ "${1-}" != --full ] || sample=$urls
weft_install "${build_packages[@]}" "${demo_packages[@]}"
weft_targets=(weft libweft.so libweft-shim.so examples/thread_per_connection examples/echo_load examples/fetch tests/weft-dns-server)
weft_build "$root/build" -Dtests=true -Dexamples=true
dns_program=$(find "$root/build" -name weft-dns-server -type f | head -n 1)
fetch_program=$(find "$root/build" -name fetch -type f | head -n 1)
[ -x "$dns_program" ] && [ -x "$fetch_program" ] || weft_die "the build made no weft-dns-server or no fetch"

# --- One thread-per-connection server binary, natively and on green threads ---
bad=0
weft_say "thread_per_connection under load, natively and by weft run"
python3 -B "$root/examples/headline.py" "$root/build/examples/thread_per_connection" "$root/build/examples/echo_load" "$root/build/weft" \
    "$root/build/headline.svg" || bad=1

# --- 500 URLs with libcurl's blocking API ---
dir=$(mktemp -d)
pids=()
finish() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"

wait_for_file() {
    local i
    for ((i = 0; i < 2000; i++)); do [ -s "$1" ] && return; sleep 0.02; done
    weft_die "$2 did not start"
}

# --- nginx: every answer 200 ms late; the access log tells exactly how many requests were in flight at once ---
echo_module=$(dpkg -L libnginx-mod-http-echo | grep -m 1 '\.so$')
nginx_program=$(command -v nginx || echo /usr/sbin/nginx)
start_nginx() {
    http_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    mkdir -p "$dir/nginx"
    cat >"$dir/nginx.conf" <<CONF
load_module $echo_module;
daemon off;
user $(id -un) $(id -gn);
worker_processes 1;
worker_rlimit_nofile $(ulimit -n);
pid nginx.pid;
error_log error.log warn;
events { worker_connections 4096; }
http {
    log_format flight '\$msec \$request_time \$http_user_agent';
    access_log access.log flight;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    default_type text/html;
    server {
        listen 127.0.0.1:$http_port backlog=1024;
        location ~ ^/page/(\d+)$ {
            echo_sleep 0.2;
            echo '<html><body><a href="/page/\$1/next">next</a> <a href="http://\$host/about">about</a>';
            echo '<a href="../index.html?from=\$1">index</a></body></html>';
        }
        location / { echo_status 404; echo_sleep 0.2; echo 'nothing here'; }
    }
}
CONF
    "$nginx_program" -p "$dir/nginx" -c "$dir/nginx.conf" >"$dir/nginx.out" 2>&1 &
    local pid=$! i
    for ((i = 0; i < 1500; i++)); do
        kill -0 "$pid" 2>/dev/null || { wait "$pid" || true; return 1; }
        if (exec 3<>"/dev/tcp/127.0.0.1/$http_port") 2>/dev/null; then pids+=("$pid"); return 0; fi
        sleep 0.02
    done
    kill "$pid"; wait "$pid" || true
    return 1
}
# Between asking for a free port and nginx binding it, another program may take it.
start_nginx || start_nginx || start_nginx || { cat "$dir/nginx.out" >&2; weft_die "nginx did not start"; }

# --- DNS: 50 host names on nginx's address, one that does not exist, one where nobody listens ---
dns_options=(--wildcard weft.test=127.0.0.1 --record dead.weft.test=127.66.0.1 --nxdomain missing.weft.test --delay-ms 20)
start_dns() {      # start_dns NAME OPTION...
    local name=$1; shift
    "$dns_program" --port-file "$dir/$name.port" --stats-file "$dir/$name.stats" "${dns_options[@]}" "$@" \
        >/dev/null 2>"$dir/$name.err" &
    dns_pid=$!
}
start_dns dns
pids+=("$dns_pid"); weft_dns_pid=$dns_pid
wait_for_file "$dir/dns.port" weft-dns-server
echo "nameserver 127.0.0.1:$(cat "$dir/dns.port")" >"$dir/weft-resolv.conf"

# libc's own resolver, which the other two modes use, knows port 53 and one file only: where we may, give these processes
# a mount namespace with another resolv.conf; elsewhere their names come from a hosts file.
plain=(env) plain_options=() plain_names="libc's getaddrinfo, in a mount namespace with its own resolv.conf"
start_dns dns53 --address 127.53.0.53 --port 53
for ((i = 0; i < 1000; i++)); do [ -s "$dir/dns53.port" ] && break; kill -0 "$dns_pid" 2>/dev/null || break; sleep 0.02; done
printf 'nameserver 127.53.0.53\n' >"$dir/resolv.conf"
printf 'hosts: files dns\n' >"$dir/nsswitch.conf"
in_namespace='mount --bind "$0/resolv.conf" /etc/resolv.conf && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && exec "$@"'
if [ -s "$dir/dns53.port" ] && unshare -m sh -c "$in_namespace" "$dir" getent hosts site0.weft.test >/dev/null 2>&1; then
    plain=(unshare -m sh -c "$in_namespace" "$dir")
    pids+=("$dns_pid")
else
    kill "$dns_pid" 2>/dev/null || true; wait "$dns_pid" 2>/dev/null || true
    plain_names="a hosts file (no right to mount a resolv.conf for libc)"
    for ((i = 0; i < 50; i++)); do echo "127.0.0.1 site$i.weft.test"; done >"$dir/hosts"
    echo "127.66.0.1 dead.weft.test" >>"$dir/hosts"
    plain_options=(--hosts "$dir/hosts")
fi

for ((i = 0; i < urls; i++)); do
    case $i in
        5|250) echo "http://site$((i % 50)).weft.test:$http_port/missing/$i" ;;          # a 404
        100)   echo "http://dead.weft.test:$http_port/page/$i" ;;                        # connection refused
        101)   echo "http://missing.weft.test:$http_port/page/$i" ;;                     # NXDOMAIN
        *)     echo "http://site$((i % 50)).weft.test:$http_port/page/$i" ;;
    esac
done >"$dir/urls"

run() {      # run MODE COMMAND...: the summary to MODE.out, failures to MODE.err
    local mode=$1; shift
    weft_say "fetch --$mode"
    "$@" >"$dir/$mode.out" 2>"$dir/$mode.err" || {
        cat "$dir/$mode.out" "$dir/$mode.err" >&2
        weft_die "fetch --$mode failed"
    }
}
run sequential "${plain[@]}" "$fetch_program" "$dir/urls" "$dir/sequential.rows" --sequential --sample $sample "${plain_options[@]}"
run threads "${plain[@]}" "$fetch_program" "$dir/urls" "$dir/threads.rows" --threads "${plain_options[@]}"
field() { sed -n "s/.*[ :]$2=\([^ ]*\).*/\1/p" "$1"; }       # field FILE NAME
in_flight() {      # the most requests of a mode that nginx had open at once: ends and beginnings from its log
    awk -v agent="weft-fetch/$1" '$3 == agent { printf "%.3f 1\n%.3f -1\n", $1 - $2, $1 }' "$dir/nginx/access.log" |
        sort -k1,1n -k2,2n | awk '{ n += $2; if (n > most) most = n } END { print most + 0 }'
}
under_a_second() { awk -v w="$(field "$1" wall_s)" 'BEGIN { exit !(w < 1) }'; }      # under_a_second FILE
# What it takes is a matter of what else the machine does: a run that was held up is made again, a few times.
for attempt in 1 2 3 4 5; do
    run fibers env LD_PRELOAD="$root/build/libweft-shim.so" WEFT_RESOLV_CONF="$dir/weft-resolv.conf" \
        "$fetch_program" "$dir/urls" "$dir/fibers.rows" --fibers
    if under_a_second "$dir/fibers.out" && [ "$(in_flight fibers)" -ge 200 ]; then break; fi
    weft_say "attempt $attempt took $(field "$dir/fibers.out" wall_s) s, with at most $(in_flight fibers) requests in flight"
    sleep 1
done
kill "$weft_dns_pid"; wait "$weft_dns_pid" || true

sequential_wall=$(field "$dir/sequential.out" wall_s) sequential_label=sequential
if [ $sample != $urls ]; then
    sequential_label="sequential (*)"
    sequential_wall=$(awk -v w="$sequential_wall" -v n=$urls -v s=$sample 'BEGIN { printf "%.1f", w * n / s }')
fi
row='%-16s %6s %7s %7s %9s %9s %11s %12s %15s\n'
echo
printf "$row" "$urls URLs" ok failed rows 'wall s' 'CPU s' 'OS threads' 'peak RSS MB' 'most in flight'
for mode in sequential threads fibers; do
    out=$dir/$mode.out label=$mode wall=$(field "$out" wall_s)
    [ $mode != sequential ] || { label=$sequential_label wall=$sequential_wall; }
    printf "$row" "$label" "$(field "$out" ok)" "$(field "$out" failed)" \
        "$(field "$out" links)" "$wall" "$(field "$out" cpu_s)" "$(field "$out" os_threads)" \
        "$(awk -v kb="$(field "$out" peak_rss_kb)" 'BEGIN { printf "%.1f", kb / 1024 }')" "$(in_flight $mode)"
done
[ $sample = $urls ] ||
    echo "(*) only the first $sample URLs were fetched; wall s is extrapolated to $urls, the other figures are the sample's"
echo "most in flight: as nginx's access log shows it; look-ups of the fibers in flight at once: $(field "$dir/dns.stats" most_in_flight)"
echo "names of sequential and threads: $plain_names; of fibers: Weft's resolver"
grep '^weft:' "$dir/fibers.out"
grep '^failed: ' "$dir/fibers.err" | head -n 8 || true

# --- What the demo promises, checked ---
check() {      # check SENTENCE COMMAND...
    local sentence=$1; shift
    if "$@"; then echo "ok: $sentence"; else echo "NOT OK: $sentence"; bad=1; fi
}
first_rows() { awk -F'\t' -v n=$sample 'NR == FNR { if (FNR <= n) wanted[$1]; next } $1 in wanted' "$dir/urls" "$1"; }
first_rows "$dir/fibers.rows" >"$dir/first.rows"
fibers=$dir/fibers.out
echo
check "the fibers wrote the rows that the threads wrote" cmp -s "$dir/fibers.rows" "$dir/threads.rows"
check "and those of the sequential run (its first $sample URLs)" cmp -s "$dir/first.rows" "$dir/sequential.rows"
check "two 404s, a dead host and an unknown name failed, the rest went on" [ "$(field "$fibers" ok)" = $((urls - 4)) ]
check "Weft found sites to patch" [ "$(field "$fibers" sites_patched)" -gt 0 ]
check "every fetch parked" [ "$(field "$fibers" parks)" -ge $urls ]
check "Weft's resolver had many look-ups in flight" [ "$(field "$dir/dns.stats" most_in_flight)" -gt 10 ]
check "nginx saw hundreds of requests in flight at once" [ "$(in_flight fibers)" -ge 200 ]
check "the fibers ran on one OS thread" [ "$(field "$fibers" os_threads)" = 1 ]
check "they took less than a second" under_a_second "$fibers"
exit $bad
