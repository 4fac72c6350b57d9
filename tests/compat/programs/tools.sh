# Small tools in pipelines; says results only.
set -eu
for n in $(seq 1 40); do echo "file $n" >"f$n"; done
tar cf - f* | gzip -9 | (mkdir out; cd out; tar xzf -)
diff -r <(cd out && cat f*) <(cat f*) && echo same
echo "tree $(find out -type f | wc -l)"
find . -name 'f*' -print0 | xargs -0 -n 5 -P 4 cat | sort | md5sum
dd if=/dev/zero bs=64k count=50 2>/dev/null | sha256sum
timeout 0.1 sleep 5 || echo "timeout $?"
seq 1 100 | awk '{ s += $1 } END { print "awk", s }'
echo weft | sed 's/w/W/' | rev | tee copy; cmp copy copy && echo compared
env -i A=1 sh -c 'echo "env $A"'
nohup sh -c 'echo nohup' 2>/dev/null; setsid sh -c 'echo session'
flock lock -c 'echo locked'
printf '%s\n' b a c | sort -u | paste -sd,
