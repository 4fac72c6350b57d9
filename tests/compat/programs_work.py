# Scenarios: programs whose threads compute and synchronise.
import os
import re

import load
from aids import HERE, compiled, helper
from scenario import expect, need, scenario


def material(side, size=12_000_000):
    path = side.file("material")
    with open(path, "wb") as file:
        file.write(load.pattern(size))
    return path


def digest_of(path):
    with open(path, "rb") as file:
        return load.digest(file.read())


@scenario("pbzip2 -p4", "12 MB there and back on four threads", ["pbzip2", "bzip2"], ["pbzip2", "bzip2"], group="work")
def pbzip2(side):
    path = material(side)
    side.run([need("pbzip2"), "-k", "-q", "-p4", "-b3", path])
    side.run([need("pbzip2"), "-d", "-k", "-q", "-p4", "-f", path + ".bz2"])
    helper("bzip2", "-t", path + ".bz2")
    return {"packed": digest_of(path + ".bz2"), "back": digest_of(path)}


@scenario("xz -T4", "12 MB there and back on four threads", ["xz"], ["xz-utils"], quick=True, group="work")
def xz(side):
    path = material(side, 6_000_000)
    side.run([need("xz"), "-k", "-1", "-T4", "--block-size=1MiB", path])
    packed = digest_of(path + ".xz")
    side.run([need("xz"), "-d", "-f", "-T4", path + ".xz"])
    return {"packed": packed, "back": digest_of(path)}


@scenario("zstd -T4", "12 MB there and back on four threads", ["zstd"], ["zstd"], group="work")
def zstd(side):
    path = material(side)
    side.run([need("zstd"), "-q", "-k", "-6", "-T4", "-B1MiB", path])
    packed = digest_of(path + ".zst")
    side.run([need("zstd"), "-q", "-d", "-f", "-T4", path + ".zst"])
    return {"packed": packed, "back": digest_of(path)}


def openmp_scenario(side, environment):
    program = compiled(side, "openmp.c", "openmp", "-fopenmp")
    return {"said": side.run([program], env={"OMP_NUM_THREADS": "6", "OMP_DYNAMIC": "false"} | environment).out}


@scenario("OpenMP", "libgomp, six threads on fewer cores: loops, reductions, criticals, tasks, barriers, nesting, locks", ["gcc"],
          ["gcc"],
          quick=True, group="work")
def openmp(side):
    return openmp_scenario(side, {})


@scenario("OpenMP, waiting actively", "the same with OMP_WAIT_POLICY=active: threads spin where they wait", ["gcc"], ["gcc"],
          group="work")
def openmp_active(side):
    return openmp_scenario(side, {"OMP_WAIT_POLICY": "active"})


# stress-ng's own verifiers: operations of each, and how many of its workers at once.
STRESSORS = {
    "pthread": 400, "mutex": 3000, "futex": 20000, "sem": 20000, "sem-sysv": 3000, "peterson": 200, "dekker": 200, "membarrier": 50,
    "mcontend": 5, "yield": 20000, "nanosleep": 200, "aio": 300, "io-uring": 50, "rseq": 20, "schedpolicy": 200, "affinity": 200,
    "resched": 2, "switch": 5000, "context": 500, "syncload": 10,
    "sigq": 5000, "sigrt": 3000, "sigsuspend": 2000, "sigio": 20, "sigsegv": 2000, "sigfpe": 500, "sigpending": 5000, "sigabrt": 50,
    "kill": 5000, "timer": 2000, "timerfd": 200,
    "fork": 200, "vfork": 200, "clone": 100, "exec": 20, "wait": 200, "zombie": 50, "daemon": 20, "session": 50, "prctl": 20,
    "msg": 20000, "mq": 5000, "pipe": 30000, "fifo": 3000, "eventfd": 5000, "poll": 2000, "epoll": 500, "tee": 300, "splice": 300,
    "sock": 300, "sockpair": 300, "udp": 5000, "sendfile": 200, "lockf": 300, "flock": 5000, "dup": 500, "close": 200, "inotify": 20,
    "seek": 300, "iomix": 5, "mmap": 5, "malloc": 5000, "stack": 5, "stackmmap": 5, "userfaultfd": 20, "vm-rw": 20, "get": 20, "set": 20,
    "rlimit": 50, "sysinfo": 50, "procfs": 5, "kcmp": 20, "cpu": 20}


def stressor(name, operations):
    @scenario(f"stress-ng --{name}", f"stress-ng's verifier, {operations:,} operations by two workers", ["stress-ng"],
              ["stress-ng"],
              kind="threads" if name in ("pthread", "mutex") else "forks", group="stress-ng")
    def play(side):
        ended = side.run([need("stress-ng"), f"--{name}", "2", f"--{name}-ops", str(operations), "--verify", "--metrics",
                          "--timeout", "20",
                          "--temp-path", side.folder("stress")], status=None)
        expect("is not a recognized" not in ended.err and "unrecognized option" not in ended.err, f"no such stressor: {ended}")
        failures = [re.sub(r"\d+", "N", line) for line in ended.err.splitlines() + ended.out.splitlines() if "fail:" in line]
        said = "\n".join(ended.err.splitlines() + ended.out.splitlines())
        return {"status": ended.status, "failures": sorted(set(failures)), "success": "successful run completed" in said}
    return play


for stress_name, stress_operations in STRESSORS.items():
    stressor(stress_name, stress_operations)


@scenario("ruby threads",
          "Thread, Queue, Mutex, ConditionVariable, Timeout, sockets, subprocesses, thread-locals, a stack overflow", ["ruby"],
          ["ruby"], group="languages")
def ruby(side):
    return {"said": side.run([need("ruby"), os.path.join(HERE, "programs", "threads.rb")]).out}


@scenario("perl threads", "threads, Thread::Queue, shared variables, conditions, semaphores, detach, a subprocess", ["perl"],
          ["perl"],
          quick=True, group="languages")
def perl(side):
    return {"said": side.run([need("perl"), os.path.join(HERE, "programs", "threads.pl")]).out}


def java_scenario(side, *options):
    classes = side.folder("classes")
    helper(need("javac"), "-d", classes, os.path.join(HERE, "programs", "Threads.java"), seconds=120)
    return {"said": side.run([need("java"), *options, "-cp", classes, "Threads"], seconds=120).out}


@scenario("java",
          "OpenJDK: 200 threads, monitors, executors, fork-join, sockets, interrupts, stack overflow, null pointers, garbage",
          ["java", "javac"],
          ["default-jdk-headless"], group="languages", seconds=200)
def java(side):
    return java_scenario(side, "-Xmx256m")


@scenario("java -Xint -XX:+UseSerialGC", "the same, interpreted", ["java", "javac"], ["default-jdk-headless"], group="languages",
          seconds=200)
def java_interpreted(side):
    return java_scenario(side, "-Xmx256m", "-Xint", "-XX:+UseSerialGC")
