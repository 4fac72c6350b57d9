(* OCaml's systhreads: master lock, mutexes, conditions, events, sockets, signals, ticks that preempt. *)
let () =
  let m = Mutex.create () and n = ref 0 in
  let ts = List.init 50 (fun _ -> Thread.create (fun () -> for _ = 1 to 200 do Mutex.lock m; incr n; Mutex.unlock m;
      Thread.yield () done) ()) in
  List.iter Thread.join ts; Printf.printf "counted %d\n%!" !n;
  let c = Condition.create () and turn = ref 0 and b = Buffer.create 100 in
  let ts = List.init 4 (fun me -> Thread.create (fun () -> for _ = 1 to 25 do
    Mutex.lock m; while !turn mod 4 <> me do Condition.wait c m done; Buffer.add_string b (string_of_int me);
        incr turn; Condition.broadcast c; Mutex.unlock m done) ()) in
  List.iter Thread.join ts; Printf.printf "order %s\n%!" (Buffer.contents b);
  let ch = Event.new_channel () in
  let s = Thread.create (fun () -> for i = 1 to 500 do Event.sync (Event.send ch i) done) () in
  let sum = ref 0 in for _ = 1 to 500 do sum := !sum + Event.sync (Event.receive ch) done; Thread.join s;
      Printf.printf "events %d\n%!" !sum;
  let stop = ref false in
  let spin = Thread.create (fun () -> let x = ref 0 in while not !stop do x := (!x + 1) land 1023;
      ignore (ref !x) done) () in
  Thread.delay 0.05; stop := true; Thread.join spin; print_endline "a spinner was preempted";
  let l = Unix.socket PF_INET SOCK_STREAM 0 in
  Unix.bind l (ADDR_INET (Unix.inet_addr_loopback, 0)); Unix.listen l 100;
  let addr = Unix.getsockname l in
  let serve fd = let b = Bytes.create 4096 in let rec go () = match Unix.read fd b 0 4096 with 0 -> Unix.close fd | k -> ignore (Unix.write fd b 0 k); go () in go () in
  let server = Thread.create (fun () -> for _ = 1 to 40 do let fd,
      _ = Unix.accept l in ignore (Thread.create serve fd) done) () in
  let right = Atomic.make 0 in
  let clients = List.init 40 (fun i -> Thread.create (fun () ->
    let fd = Unix.socket PF_INET SOCK_STREAM 0 in Unix.connect fd addr;
    for k = 1 to 20 do let msg = Printf.sprintf "message %d %d" i k in ignore (Unix.write_substring fd msg 0 (String.length msg));
      let b = Bytes.create (String.length msg) in let got = ref 0 in
      while !got < Bytes.length b do got := !got + Unix.read fd b !got (Bytes.length b - !got) done;
      if Bytes.to_string b = msg then Atomic.incr right done; Unix.close fd) ()) in
  List.iter Thread.join clients; Thread.join server; Printf.printf "echoed %d\n%!" (Atomic.get right);
  let got = ref 0 in Sys.set_signal Sys.sigusr1 (Signal_handle (fun _ -> incr got));
  for _ = 1 to 20 do let before = !got in Unix.kill (Unix.getpid ()) Sys.sigusr1;
      while !got = before do Thread.yield () done done; Printf.printf "signals %d\n%!" !got;
  let waiter = Thread.create (fun () -> Thread.wait_signal [Sys.sigusr2]) () in
  ignore (Thread.sigmask SIG_BLOCK [Sys.sigusr2]); ignore waiter;
  let kids = List.init 8 (fun i -> Thread.create (fun () -> let ic = Unix.open_process_in (Printf.sprintf "echo kid; exit %d" i) in ignore (input_line ic); ignore (Unix.close_process_in ic); Atomic.incr right) ()) in
  List.iter Thread.join kids; Printf.printf "kids %d\n%!" (Atomic.get right - 800);
  let ts = List.init 8 (fun _ -> Thread.create (fun () -> let r = ref [] in for i = 1 to 100000 do r := i :: (if i mod 1000 = 0 then [] else !r) done) ()) in
  for _ = 1 to 5 do Gc.full_major () done; List.iter Thread.join ts; print_endline "garbage";
  let rec deep n = if n = 0 then 0 else 1 + deep (n - 1) in
  (match deep 100_000_000 with _ -> print_endline "deep?" | exception Stack_overflow -> print_endline "stack overflow in main");
  at_exit (fun () -> print_endline "at exit"); 
  ignore (Thread.create (fun () -> Thread.delay 1000.) ()); exit 3
