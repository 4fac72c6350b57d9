# What a shell does with processes; says results only.
set -u
echo "pipeline $(seq 1 1000 | grep 7 | sort -n | tail -n 1 | tr 0-9 a-j)"
(exit 3); echo "subshell $?"
false | true; echo "status ${PIPESTATUS[*]}"
for n in 1 2 3 4 5; do (sleep 0.0$n; exit $n) & pids[$n]=$!; done
total=0; for n in 1 2 3 4 5; do wait "${pids[$n]}"; total=$((total + $?)); done; echo "jobs $total"
(sleep 0.02; exit 9) & wait -n; echo "any $?"
trap 'echo trapped' USR1; kill -USR1 $$; trap - USR1
sleep 30 & victim=$!; kill -TERM $victim; wait $victim; echo "killed $?"
coproc CAT { cat; }; echo "through a coprocess" >&"${CAT[1]}"; read -r line <&"${CAT[0]}"; echo "$line"; exec {CAT[1]}>&-; wait "$CAT_PID"
cat <<TEXT
here $((6 * 7))
TEXT
echo "substitution $(cat <(echo one) <(echo two) | wc -l)"
mkfifo pipe; (echo "through a fifo" >pipe) & read -r line <pipe; echo "$line"; wait
read -t 0.05 -r line < <(sleep 5) ; echo "read timed out $(($? > 128))"
exec 5>file; echo "descriptor" >&5; exec 5>&-; cat file
set +e; bash -c 'kill -SEGV $$' 2>/dev/null; echo "segv $?"
bash -c 'trap "echo leaving" EXIT; exit 4'; echo "exit $?"
ulimit -n >/dev/null && echo "limits"; times >/dev/null; umask 022; echo "$(umask)"
exec bash -c 'echo "exec $0"' name
