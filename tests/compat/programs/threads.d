// D: a collector that stops all threads by signals, messages between threads, task pools, synchronized, conditions,
// fibers.
import std.stdio, std.concurrency, std.parallelism, core.thread, core.sync.mutex, core.sync.condition, core.memory,
    core.atomic, std.algorithm, std.range, std.conv, std.process, std.socket;
shared int count;
void squares(Tid owner) { foreach (i; 0 .. 100) { int n = receiveOnly!int; owner.send(n * n); } }
void main() {
    Thread[] ts; auto m = new Mutex; int n;
    foreach (i; 0 .. 50) { auto t = new Thread({ foreach (k; 0 .. 200) { synchronized (m) n++;
        atomicOp!"+="(count, 1); if (k % 50 == 0) Thread.sleep(1.usecs); } }); ts ~= t; t.start; }
    foreach (t; ts) t.join; writeln("counted ", n, " ", atomicLoad(count));
    Tid[] tids; foreach (i; 0 .. 8) tids ~= spawn(&squares, thisTid); foreach (i; 0 .. 800) tids[i % 8].send(i);
    long s; foreach (i; 0 .. 800) s += receiveOnly!int; writeln("squares ", s);
    ts = []; foreach (i; 0 .. 8) { auto t = new Thread({ void*[100] keep; foreach (k;
        0 .. 20000) keep[k % 100] = GC.malloc(64 + k % 100); }); ts ~= t; t.start; }
    foreach (i; 0 .. 20) { GC.collect; Thread.sleep(1.msecs); } foreach (t; ts) t.join; writeln("garbage");
    writeln("reduce ", taskPool.reduce!"a + b"(iota(100_000L))); long[] sq = new long[1000]; foreach (i, ref x;
        parallel(sq)) x = i * i; writeln("parallel ", sq.sum);
    auto c = new Condition(m); int turn; string order; ts = [];
    foreach (me; 0 .. 4) { auto t = (int id) { return new Thread({ foreach (k;
        0 .. 25) synchronized (m) { while (turn % 4 != id) c.wait; order ~= id.to!string; turn++; c.notifyAll; } });
        }(me); ts ~= t; t.start; }
    foreach (t; ts) t.join; writeln("order ", order);
    foreach (r; iota(8).map!(i => task!({ return executeShell("echo kid").output; })).array) { taskPool.put(r);
        write(r.yieldForce); }
    auto l = new TcpSocket; l.bind(new InternetAddress("127.0.0.1", 0)); l.listen(100); auto a = l.localAddress;
    auto right = new shared int; ts = [];
    auto serve = (Socket k) { return new Thread({ ubyte[4096] b; for (;;) { auto g = k.receive(b[]);
        if (g <= 0) break; k.send(b[0 .. g]); } k.close; }); };
    auto server = new Thread({ foreach (i; 0 .. 40) serve(l.accept).start; }); server.start;
    auto client = (int i) { return new Thread({ auto k = new TcpSocket(a); foreach (j;
        0 .. 20) { auto t = "message " ~ i.to!string ~ " " ~ j.to!string; k.send(t); char[] b = new char[t.length];
        size_t g; while (g < b.length) g += k.receive(b[g .. $]); if (b == t) atomicOp!"+="(*right, 1); } k.close;
        }); };
    foreach (i; 0 .. 40) { auto t = client(i); ts ~= t; t.start; } foreach (t; ts) t.join; server.join;
        writeln("echoed ", *right);
    auto f = new Fiber({ foreach (i; 0 .. 3) { write("fiber ", i, " "); Fiber.yield; } });
        while (f.state != Fiber.State.TERM) f.call; writeln;
    thread_suspendAll; thread_resumeAll; writeln("done");
}
