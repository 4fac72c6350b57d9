// Java's threads at work; says what came out, nothing that depends on who was faster.
import java.io.*;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.*;
import java.util.stream.*;

public class Threads {
  static int turn = 0;
  static int depth = 0;

  static int deep(int n) { depth = n; return 1 + deep(n + 1); }

  static void join(List<Thread> all) throws Exception {
    for (Thread t : all) t.start();
    for (Thread t : all) t.join();
  }

  static List<Thread> threads(int count, java.util.function.IntConsumer work) {
    return IntStream.range(0, count).mapToObj(n -> new Thread(() -> work.accept(n))).collect(Collectors.toList());
  }

  public static void main(String[] args) throws Exception {
    AtomicLong sum = new AtomicLong();
    join(threads(200, n -> sum.addAndGet(n)));
    System.out.println("sum " + sum.get());

    Object monitor = new Object();
    StringBuilder order = new StringBuilder();
    join(threads(4, mine -> {
      for (int i = 0; i < 50; i++) synchronized (monitor) {
        while (turn % 4 != mine) try { monitor.wait(); } catch (InterruptedException e) { return; }
        order.append(mine);
        turn++;
        monitor.notifyAll();
      }
    }));
    System.out.println("in turn " + order.toString().equals("0123".repeat(50)));

    ExecutorService pool = Executors.newFixedThreadPool(16);
    List<Future<Integer>> futures = new ArrayList<>();
    for (int n = 0; n < 500; n++) { int m = n; futures.add(pool.submit(() -> m * m)); }
    long squares = 0;
    for (Future<Integer> f : futures) squares += f.get();
    System.out.println("squares " + squares);
    pool.shutdown();
    System.out.println("over " + pool.awaitTermination(20, TimeUnit.SECONDS));

    System.out.println("fork-join " + IntStream.range(0, 2_000_000).parallel().mapToLong(i -> i % 17).sum());

    ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread acceptor = new Thread(() -> {
      try {
        for (int i = 0; i < 20; i++) {
          Socket s = server.accept();
          new Thread(() -> {
            try (s) { s.getInputStream().transferTo(s.getOutputStream()); } catch (IOException e) { System.out.println(e); }
          }).start();
        }
      } catch (IOException e) { System.out.println(e); }
    });
    acceptor.start();
    AtomicInteger echoed = new AtomicInteger();
    join(threads(20, n -> {
      try (Socket s = new Socket(InetAddress.getLoopbackAddress(), server.getLocalPort())) {
        byte[] out = new byte[20_000 + n];
        Arrays.fill(out, (byte) n);
        Thread sender = new Thread(() -> { try { s.getOutputStream().write(out); s.shutdownOutput(); } catch (IOException e) { System.out.println(e); } });
        sender.start();
        byte[] back = s.getInputStream().readAllBytes();
        sender.join();
        if (Arrays.equals(out, back)) echoed.incrementAndGet();
      } catch (Exception e) { System.out.println(e); }
    }));
    acceptor.join();
    System.out.println("echoed " + echoed.get());

    Thread sleeper = new Thread(() -> { try { Thread.sleep(60_000); } catch (InterruptedException e) { System.out.println("interrupted"); } });
    sleeper.start();
    sleeper.interrupt();
    sleeper.join();

    Lock lock = new ReentrantLock(true);
    Condition ready = lock.newCondition();
    boolean[] set = {false};
    Thread waiter = new Thread(() -> {
      lock.lock();
      try { while (!set[0]) ready.awaitUninterruptibly(); System.out.println("signalled"); } finally { lock.unlock(); }
    });
    waiter.start();
    lock.lock();
    set[0] = true;
    ready.signalAll();
    lock.unlock();
    waiter.join();

    ScheduledExecutorService later = Executors.newScheduledThreadPool(2);
    CountDownLatch ticks = new CountDownLatch(5);
    later.scheduleAtFixedRate(ticks::countDown, 1, 5, TimeUnit.MILLISECONDS);
    System.out.println("ticks " + ticks.await(20, TimeUnit.SECONDS));
    later.shutdownNow();

    try { deep(0); } catch (StackOverflowError e) { System.out.println("main overflow " + (depth > 1000)); }
    Thread overflowing = new Thread(null, () -> { try { deep(0); } catch (StackOverflowError e) { System.out.println("thread overflow " + (depth > 500)); } },
                                    "deep", 512 * 1024);
    overflowing.start();
    overflowing.join();

    int nulls = 0;
    String nothing = args.length > 5 ? "x" : null;
    for (int i = 0; i < 100_000; i++) try { nulls += nothing.length(); } catch (NullPointerException e) { nulls++; }
    System.out.println("nulls " + nulls);
    int zeros = 0;
    for (int i = 0; i < 100_000; i++) try { zeros += 1 / (i - i); } catch (ArithmeticException e) { zeros++; }
    System.out.println("zeros " + zeros);

    long live = 0;
    for (int i = 0; i < 2000; i++) { byte[] garbage = new byte[500_000]; live += garbage.length; }
    System.gc();
    System.out.println("garbage " + live);

    Process p = new ProcessBuilder("/bin/sh", "-c", "cat; exit 3").start();
    try (OutputStream in = p.getOutputStream()) { in.write("through a child\n".getBytes()); }
    System.out.print(new String(p.getInputStream().readAllBytes()));
    System.out.println("status " + p.waitFor());

    AtomicBoolean stop = new AtomicBoolean();
    Thread spinner = new Thread(() -> { long n = 0; while (!stop.get()) n++; });
    spinner.start();
    Thread.sleep(20);
    stop.set(true);
    spinner.join();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
    ThreadLocal<Integer> own = ThreadLocal.withInitial(() -> 0);
    AtomicInteger wrong = new AtomicInteger();
    join(threads(20, n -> { own.set(n); Thread.yield(); if (own.get() != n) wrong.incrementAndGet(); }));
    System.out.println("wrong " + wrong.get());
  }
}
