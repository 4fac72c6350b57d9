// Mono: threads, monitors, thread pool, tasks, timers, sockets, garbage with all threads stopped, abort, interrupt,
// null references, processes.
using System; using System.Collections.Concurrent; using System.Collections.Generic; using System.Diagnostics;
    using System.IO; using System.Linq;
using System.Net; using System.Net.Sockets; using System.Text; using System.Threading; using System.Threading.Tasks;
class Threads {
    static int count; static readonly object gate = new object(); static int turn;
    [ThreadStatic] static int own;
    static int Deep(int n) { return n == 0 ? 0 : Deep(n - 1) + 1; }
    static void Main() {
        var all = new List<Thread>();
        for (int i = 0; i < 100; i++) { var t = new Thread(() => { for (int k = 0; k < 1000;
            k++) lock (gate) count++; own++; if (own != 1) Console.WriteLine("shared?"); }); all.Add(t); t.Start(); }
        foreach (var t in all) t.Join(); Console.WriteLine("counted " + count);
        all.Clear(); var order = new StringBuilder();
        for (int i = 0; i < 4; i++) { int me = i; var t = new Thread(() => { for (int k = 0; k < 25;
            k++) lock (gate) { while (turn % 4 != me) Monitor.Wait(gate); order.Append(me); turn++;
            Monitor.PulseAll(gate); } }); all.Add(t); t.Start(); }
        foreach (var t in all) t.Join(); Console.WriteLine("order " + order);
        Console.WriteLine("tasks " + Task.WhenAll(Enumerable.Range(0,
            200).Select(n => Task.Run(() => { Thread.Sleep(n % 3); return (long)n * n; }))).Result.Sum());
        Console.WriteLine("delays " + Task.WhenAll(Enumerable.Range(0,
            200).Select(async n => { await Task.Delay(n % 10); return n; })).Result.Sum());
        long sum = 0; Parallel.For(0, 10000, n => Interlocked.Add(ref sum, n)); Console.WriteLine("parallel " + sum);
        var q = new BlockingCollection<int>(5); var consumer = Task.Run(() => q.GetConsumingEnumerable().Sum());
        for (int i = 0; i < 1000; i++) q.Add(i); q.CompleteAdding(); Console.WriteLine("queue " + consumer.Result);
        all.Clear(); for (int i = 0; i < 8; i++) { var t = new Thread(() => { object[] keep = new object[100];
            for (int k = 0; k < 100000; k++) keep[k % 100] = new byte[100 + k % 50]; }); all.Add(t); t.Start(); }
        for (int i = 0; i < 20; i++) { GC.Collect(); Thread.Sleep(1); } foreach (var t in all) t.Join();
            Console.WriteLine("garbage");
        var stuck = new Thread(() => { try { Thread.Sleep(100000); }
            catch (ThreadInterruptedException) { Console.WriteLine("interrupted"); } }); stuck.Start();
            Thread.Sleep(20); stuck.Interrupt(); stuck.Join();
        var spin = new Thread(() => { try { while (true) { } }
            catch (ThreadAbortException) { Console.WriteLine("aborted a spinner"); } }); spin.Start();
            Thread.Sleep(20); spin.Abort(); spin.Join();
        var slept = new Thread(() => { try { Thread.Sleep(100000); }
            catch (ThreadAbortException) { Console.WriteLine("aborted a sleeper"); } }); slept.Start();
            Thread.Sleep(20); slept.Abort(); slept.Join();
        try { string s = null; Console.WriteLine(s.Length); }
            catch (NullReferenceException) { Console.WriteLine("null"); }
        var th = new Thread(() => { try { object o = null; o.GetHashCode(); }
            catch (NullReferenceException) { Console.WriteLine("null in a thread"); } try { int z = 0;
            Console.WriteLine(1 / z); } catch (DivideByZeroException) { Console.WriteLine("divided by zero"); } });
            th.Start(); th.Join();
        var listener = new TcpListener(IPAddress.Loopback, 0); listener.Start(100);
            int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var server = new Thread(() => { for (int i = 0; i < 60; i++) { var c = listener.AcceptTcpClient();
            new Thread(() => { using (c) { var s = c.GetStream(); var b = new byte[4096]; int n;
            while ((n = s.Read(b, 0, b.Length)) > 0) s.Write(b, 0, n); } }).Start(); } }); server.Start();
        int right = 0; var clients = Enumerable.Range(0,
            30).Select(i => new Thread(() => { using (var c = new TcpClient("127.0.0.1",
            port)) { var s = c.GetStream(); for (int k = 0; k < 20;
            k++) { var m = Encoding.ASCII.GetBytes("message " + i + " " + k + "\n"); s.Write(m, 0, m.Length);
            int got = 0; var b = new byte[m.Length]; while (got < m.Length) got += s.Read(b, got, m.Length - got);
            if (b.SequenceEqual(m)) Interlocked.Increment(ref right); } } })).ToList();
        foreach (var c in clients) c.Start(); foreach (var c in clients) c.Join();
        var async = Enumerable.Range(0,
            30).Select(async i => { using (var c = new TcpClient()) { await c.ConnectAsync("127.0.0.1", port);
            var s = c.GetStream(); for (int k = 0; k < 20;
            k++) { var m = Encoding.ASCII.GetBytes("async " + i + " " + k + "\n");
            await s.WriteAsync(m, 0, m.Length); int got = 0; var b = new byte[m.Length];
            while (got < m.Length) got += await s.ReadAsync(b, got, m.Length - got);
            if (b.SequenceEqual(m)) Interlocked.Increment(ref right); } } }).ToArray();
        Task.WaitAll(async); server.Join(); Console.WriteLine("echoed " + right);
        int ticks = 0; using (var done = new ManualResetEvent(false)) using (var timer = new Timer(_ => { if (Interlocked.Increment(ref ticks) == 10) done.Set(); }, null, 1, 1)) Console.WriteLine("timer " + done.WaitOne(20000));
        var p = Process.Start(new ProcessStartInfo("/bin/sh",
            "-c \"echo child; exit 3\"") { RedirectStandardOutput = true, UseShellExecute = false });
            Console.Write(p.StandardOutput.ReadToEnd()); p.WaitForExit(); Console.WriteLine("status " + p.ExitCode);
        using (var m = new Mutex()) using (var sem = new SemaphoreSlim(2)) using (var rw = new ReaderWriterLockSlim()) { int inside = 0, most = 0; Task.WaitAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => { sem.Wait(); int n = Interlocked.Increment(ref inside); lock (gate) most = Math.Max(most, n); Thread.Sleep(1); Interlocked.Decrement(ref inside); sem.Release(); rw.EnterReadLock(); rw.ExitReadLock(); m.WaitOne(); m.ReleaseMutex(); })).ToArray()); Console.WriteLine("at most two " + (most <= 2)); }
        Console.WriteLine("deep " + Deep(10000));
        new Thread(() => Thread.Sleep(100000)) { IsBackground = true }.Start();
        Console.WriteLine("done");
    }
}
