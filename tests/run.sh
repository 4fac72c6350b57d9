#!/usr/bin/env bash
# Builds Weft and runs its tests. Installs what is missing first. The last line is "N passed, N failed[, N skipped]".
#   tests/run.sh [--clang] [--asan | --tsan] [--soak] [--again] [--suite NAME]... [--without NAME]... [TEST]...
#     --clang   with clang, in build-clang/        --asan  ASan and UBSan, in build-asan/
#     --tsan    the tests without descriptors under TSan, in build-tsan/
#     --soak    every test twenty times; the shuffling scheduler's tests with 1,000 seeds (WEFT_TEST_SEEDS); then mixed load on
#               green threads, a minute for each of WEFT_SOAK_SEEDS seeds (5; tests/green/soak.py repeats one)
#     --again   up to five tests that failed beside others are run twice more, alone: those that pass both times are printed as
#               unsteady, with what they said, and count as passed (for CI; each is a bug to be mended)
#     --suite   only that suite: unit, insides, io, shim, libraries, compat, faults, differential, audit, green,
#               packaging, examples, support, tree
#     --without all but that suite. TEST: names as meson knows them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/support/setup.sh"

dir=build options=(-Dtests=true) selection=() multiplier=3 sanitizer= soak= again=
while [ $# -gt 0 ]; do
    case $1 in
        --clang) dir+=-clang; export CC=clang CXX=clang++ ;;
        --asan) dir+=-asan sanitizer=address,undefined multiplier=5 ;;
        --tsan) dir+=-tsan sanitizer=thread multiplier=10; selection+=(--suite unit) options+=(-Dexamples=false) ;;
        --soak) soak=yes; selection+=(--repeat 20); export WEFT_TEST_SEEDS=1000; multiplier=$((multiplier * 5)) ;;
        --again) again=yes ;;
        --without) [ $# -gt 1 ] || weft_die "--without wants a name"; selection+=(--no-suite "$2"); shift ;;
        --suite) [ $# -gt 1 ] || weft_die "--suite wants a name"; selection+=(--suite "$2"); shift ;;
        -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
        -*) weft_die "unknown option $1" ;;
        *) selection+=("$1") ;;
    esac
    shift
done
# -O1 and line numbers: what the checks are put into takes gcc three times as long at -O2 with all of -g, and says no more.
[ -z "$sanitizer" ] || options+=("-Db_sanitize=$sanitizer" -Doptimization=1 -Dc_args=-g1 -Dcpp_args=-g1)

# A report ends the test, and none is lost to a fiber's stack. (Fake stacks and fibers: both sides know of each other.)
export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=0:detect_leaks=1:detect_stack_use_after_return=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

weft_install "${build_packages[@]}" "${library_packages[@]}" "${packaging_packages[@]}"
weft_build "$root/$dir" "${options[@]}"

weft_say "running the tests of $dir/"
log=$root/$dir/meson-logs/testlog.json
rm -f "$log"
# Its status is not the verdict: the log tells passed, failed and skipped apart, and a run that made no log at all.
# Two tests a processor: most of them wait most of the time.
meson test -C "$root/$dir" --no-rebuild --num-processes $((2 * $(nproc))) --timeout-multiplier "$multiplier" "${selection[@]}" \
    </dev/null >"$root/$dir/meson-logs/run.txt" 2>&1 || true
[ -f "$log" ] || cat "$root/$dir/meson-logs/run.txt" >&2
status=0 logs=("$log")
if [ -n "$again" ] && [ -f "$log" ]; then
    mapfile -t names < <(python3 -B "$root/tests/support/summary.py" --failed "$log")
    [ "${names[*]}" != "" ] || names=()
    if [ ${#names[@]} -gt 0 ] && [ ${#names[@]} -le 5 ]; then
        weft_say "running again, alone: ${names[*]}"
        for turn in again-1 again-2; do
            meson test -C "$root/$dir" --no-rebuild --num-processes 1 --timeout-multiplier "$multiplier" --logbase $turn "${names[@]}" \
                </dev/null >"$root/$dir/meson-logs/$turn-run.txt" 2>&1 || true
            logs+=("$root/$dir/meson-logs/$turn.json")
        done
    fi
fi
if [ -n "$soak" ] && [ -z "$sanitizer" ]; then
    weft_say "mixed load on green threads"
    python3 -B "$root/tests/green/soak.py" --build "$root/$dir" --seconds 60 --seeds "${WEFT_SOAK_SEEDS:-5}" </dev/null || status=1
fi
python3 -B "$root/tests/support/summary.py" "${logs[@]}" || status=$?
exit $status
