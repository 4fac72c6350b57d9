// Rust: scoped threads, channels, barriers, park, thread-locals, sockets with time-outs, children, panics, Once,
// read-write locks.
use std::{cell::Cell, collections::BTreeMap, io::{Read, Write}, net::{TcpListener, TcpStream, UdpSocket},
    process::Command, sync::{atomic::*, mpsc, Arc, Barrier, Condvar, Mutex, Once, RwLock}, thread, time::Duration};
thread_local!(static OWN: Cell<u32> = Cell::new(0));
fn main() {
    let n = Arc::new(Mutex::new(0));
    let ts: Vec<_> = (0..100).map(|i| { let n = n.clone();
        thread::Builder::new().name(format!("worker {i}")).spawn(move || { for _ in 0..200 { *n.lock().unwrap() += 1;
        OWN.with(|o| o.set(o.get() + 1)); } assert_eq!(thread::current().name().unwrap(), format!("worker {i}"));
        OWN.with(|o| o.get()) }).unwrap() }).collect();
    let own: u32 = ts.into_iter().map(|t| t.join().unwrap()).sum(); println!("counted {} {}", n.lock().unwrap(), own);
    let (tx, rx) = mpsc::sync_channel(3); for i in 0..8 { let tx = tx.clone();
        thread::spawn(move || for k in 0..100 { tx.send(i * k).unwrap() }); } drop(tx);
        println!("channel {}", rx.iter().sum::<i32>());
    let b = Barrier::new(10); let leaders = AtomicU32::new(0);
        thread::scope(|s| for _ in 0..10 { s.spawn(|| for _ in 0..50 { if b.wait().is_leader() { leaders.fetch_add(1,
        Ordering::SeqCst); } }); }); println!("barriers {}", leaders.load(Ordering::SeqCst));
    let t = thread::spawn(|| { thread::park(); thread::park_timeout(Duration::from_millis(5)); 7 });
        t.thread().unpark(); println!("parked {}", t.join().unwrap());
    let pair = (Mutex::new((0, String::new())), Condvar::new()); thread::scope(|s| for me in 0..4 { let p = &pair;
        s.spawn(move || for _ in 0..25 { let mut g = p.1.wait_while(p.0.lock().unwrap(), |g| g.0 % 4 != me).unwrap();
        g.1.push_str(&me.to_string()); g.0 += 1; p.1.notify_all(); }); });
        println!("order {}", pair.0.lock().unwrap().1);
    println!("timed {}", pair.1.wait_timeout(pair.0.lock().unwrap(),
        Duration::from_millis(5)).unwrap().1.timed_out());
    std::panic::set_hook(Box::new(|_| ())); let p = thread::spawn(|| { panic!("in a thread") }).join();
        println!("panicked {}", p.unwrap_err().downcast_ref::<&str>().unwrap());
    static ONCE: Once = Once::new(); static ONCES: AtomicU32 = AtomicU32::new(0);
        thread::scope(|s| for _ in 0..20 { s.spawn(|| ONCE.call_once(|| { thread::sleep(Duration::from_millis(3));
        ONCES.fetch_add(1, Ordering::SeqCst); })); }); println!("once {}", ONCES.load(Ordering::SeqCst));
    let rw = RwLock::new(BTreeMap::new()); thread::scope(|s| for i in 0..10 { let rw = &rw;
        s.spawn(move || for k in 0..50 { if k % 5 == 0 { rw.write().unwrap().insert(i * 100 + k, k); }
        else { assert!(rw.read().unwrap().len() <= 100); } }); }); println!("map {}", rw.read().unwrap().len());
    let l = TcpListener::bind("127.0.0.1:0").unwrap(); let a = l.local_addr().unwrap();
        thread::spawn(move || for s in l.incoming() { let mut s = s.unwrap(); thread::spawn(move || { let mut b = [0;
        4096]; while let Ok(n) = s.read(&mut b) { if n == 0 { break } s.write_all(&b[..n]).unwrap(); } }); });
    let right = AtomicU32::new(0); thread::scope(|sc| for i in 0..50 { let right = &right;
        sc.spawn(move || { let mut s = TcpStream::connect(a).unwrap();
        for k in 0..20 { let m = format!("message {i} {k}"); s.write_all(m.as_bytes()).unwrap(); let mut b = vec![0;
        m.len()]; s.read_exact(&mut b).unwrap(); if b == m.as_bytes() { right.fetch_add(1, Ordering::SeqCst); } }
        s.set_read_timeout(Some(Duration::from_millis(5))).unwrap(); assert!(s.read(&mut [0]).is_err()); }); });
        println!("echoed {}", right.load(Ordering::SeqCst));
    let u = UdpSocket::bind("127.0.0.1:0").unwrap(); u.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        println!("udp {:?}", u.recv(&mut [0]).unwrap_err().kind());
    let kids: Vec<_> = (0..20).map(|i| thread::spawn(move || Command::new("/bin/sh").arg("-c").arg(format!("echo kid; exit {}", i % 4)).output().unwrap().status.code().unwrap())).collect(); println!("children {}", kids.into_iter().map(|k| k.join().unwrap()).sum::<i32>());
    thread::spawn(|| thread::sleep(Duration::from_secs(1000))); std::process::exit(3);
}
