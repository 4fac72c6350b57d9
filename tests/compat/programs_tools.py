# Scenarios: tools whose threads read, write, pack, link and load servers.
import os

import load
from aids import helper, until
from programs_more import answers_names
from programs_work import digest_of, material
from scenario import expect, need, scenario


def fio(side, *options):
    """Files written at random places by several threads and read back, each block with a checksum of its own."""
    said = side.run([need("fio"), "--name=job", "--thread", "--size=1m", "--do_verify=1", "--directory=" + side.path, "--minimal",
                     *options]).out
    # Fields of fio's terse format, version 3: version of fio and job, group, error; the kilobytes read and written.
    rows = [line.split(";") for line in said.splitlines() if line.startswith("3;")]
    expect(rows, f"no result: {said}")
    return [[row[2], row[4], row[5], row[46]] for row in rows]


@scenario("fio --thread", "six threads write files at random places by pwrite and read them back, checked block by block", ["fio"], ["fio"],
          group="work")
def fio_threads(side):
    return fio(side, "--numjobs=6", "--rw=randwrite", "--bs=4k", "--ioengine=psync", "--verify=crc32c")


@scenario("fio, POSIX aio", "the same by aio_write and aio_read of four threads", ["fio"], ["fio"], group="work")
def fio_aio(side):
    return fio(side, "--numjobs=4", "--rw=write", "--bs=16k", "--ioengine=posixaio", "--iodepth=4", "--verify=md5")


@scenario("pixz -p4", "6 MB there and back on four threads, with an index", ["pixz"], ["pixz"], group="work")
def pixz(side):
    path, packed, back = material(side, 6_000_000), side.file("packed.xz"), side.file("back")
    side.run([need("pixz"), "-p", "4", "-1", path, packed])
    side.run([need("pixz"), "-d", "-p", "4", packed, back])
    return {"packed": digest_of(packed), "back": digest_of(back)}


@scenario("par2 -t4", "recovery blocks of 2 MB on four threads; a damaged file found and repaired", ["par2"], ["par2"], group="work")
def par2(side):
    path, name = material(side, 2_000_000), side.file("all.par2")
    side.run([need("par2"), "create", "-q", "-q", "-t4", "-s20000", "-r10", name, path])
    blocks = sorted(digest_of(os.path.join(side.path, file)) for file in os.listdir(side.path) if file.endswith(".par2"))
    with open(path, "r+b") as file:
        file.seek(700_000)
        file.write(b"damage")
    found = side.run([need("par2"), "verify", "-q", "-q", "-t4", name], status=None).status
    side.run([need("par2"), "repair", "-q", "-q", "-t4", name])
    return {"blocks": blocks, "found": found, "repaired": digest_of(path)}


@scenario("mbuffer", "3 MB through a buffer that one thread fills and another empties", ["mbuffer"], ["mbuffer"], group="work")
def mbuffer(side):
    path, out = material(side, 3_000_000), side.file("out")
    side.run([need("mbuffer"), "-q", "-m", "4M", "-i", path, "-o", out])
    return {"copied": digest_of(out)}


@scenario("ld.lld --threads=4", "a C program linked against libc by four threads, and run", ["ld.lld", "gcc"], ["lld", "gcc"],
          group="work")
def lld(side):
    source = side.file("main.c", "#include <stdio.h>\nint main(void) { return puts(\"linked\") < 0; }\n")
    helper("gcc", "-c", "-o", side.file("main.o"), source)
    folder = "/usr/lib/x86_64-linux-gnu/"
    begin, end = [folder + "crt1.o", folder + "crti.o"], [folder + "crtn.o"]
    side.run([need("ld.lld"), "--threads=4", "-o", side.file("main"), "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2", *begin,
              side.file("main.o"), "-L" + folder, "-lc", *end])
    return {"program": digest_of(side.file("main")), "says": helper(side.file("main"))}


@scenario("nbdkit and nbdcopy", "a block device served by eight threads, copied by four threads over four connections",
          ["nbdkit", "nbdcopy"], ["nbdkit", "libnbd-bin"], group="servers")
def nbd(side):
    path, out = material(side, 6_000_000), side.file("copy")
    status = side.run([need("nbdkit"), "--foreground", "-U", "-", "-t", "8", "file", path, "--run",
                       f"nbdcopy -T 4 -C 4 --requests=8 $uri {out}"]).status
    return {"copied": digest_of(out), "status": status}


@scenario("wrk -t4", "four threads fetch pages over 20 connections for a second", ["wrk"], ["wrk"], group="clients")
def wrk(side):
    with load.serving(load.Origin) as origin:
        said = side.run([need("wrk"), "-t4", "-c20", "-d1s", "--timeout", "20s", f"http://127.0.0.1:{origin}/small"]).out
    expect("requests in" in said and "Requests/sec" in said, said)
    return {"errors": [line for line in said.splitlines() if "Socket errors" in line or "Non-2xx" in line]}


@scenario("dnsperf -T4", "four threads of eight clients ask a server for 400 names", ["dnsperf", "unbound"], ["dnsperf", "unbound"],
          group="clients")
def dnsperf(side):
    machine = side.machine
    data = "".join(f'    local-data: "host{n}.weft.test. A 10.0.0.{n}"\n' for n in range(20))

    def command(port):
        conf = machine.file("conf", f"server:\n    interface: 127.0.0.1\n    port: {port}\n    chroot: \"\"\n    username: \"\"\n"
                                    f"    directory: \"{machine.path}\"\n    pidfile: \"\"\n    use-syslog: no\n    do-daemonize: no\n"
                                    f"    verbosity: 0\n    local-zone: \"weft.test.\" static\n{data}")
        return [need("unbound"), "-d", "-c", conf]
    port = machine.start_on_port(command, ready=answers_names)
    until(lambda: answers_names(port))
    names = side.file("names", "".join(f"host{n % 25}.weft.test A\n" for n in range(100)))
    said = side.run([need("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-d", names, "-T", "4", "-c", "8", "-n", "4", "-t", "20"]).out
    return {"counts": [line.strip() for line in said.splitlines() if "Queries" in line and "per second" not in line or "codes" in line]}
