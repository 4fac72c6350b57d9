% SWI-Prolog threads: message queues, mutexes, signals to threads, limits of time, concurrent goals, sockets, garbage.
:- initialization(main, main).
:- use_module(library(thread)).
:- use_module(library(thread_pool)).
:- use_module(library(time)).
:- use_module(library(socket)).
:- use_module(library(process)).
:- dynamic counter/1.
counter(0).

worker(Q, Out) :- repeat, thread_get_message(Q, M), ( M == stop -> ! ;
    M = n(N), S is N*N, thread_send_message(Out, S), fail ).

sum(_, 0, S, S) :- !.
sum(Q, N, A, S) :- thread_get_message(Q, V), A1 is A+V, N1 is N-1, sum(Q, N1, A1, S).

add(0) :- !.
add(N) :- with_mutex(m, (retract(counter(C)), C1 is C+1, assertz(counter(C1)))), N1 is N-1, add(N1).

spin(N) :- N1 is N+1, spin(N1).

echo_server(S, N) :- forall(between(1, N, _), (tcp_accept(S, C, _), thread_create(serve(C), _, [detached(true)]))).
serve(C) :- setup_call_cleanup(tcp_open_socket(C, I, O), (read_string(I, "\n", "", _, L), format(O, "~w~n", [L])),
    (close(O, [force(true)]), close(I))).
client(P, N, L) :- tcp_connect(localhost:P, S, []), format(S, "hello ~w~n", [N]), flush_output(S), read_string(S,
    "\n", "", _, L0), close(S), L = L0.

main :-
    message_queue_create(Q, [max_size(10)]), message_queue_create(Out),
    findall(T, (between(1, 8, _), thread_create(worker(Q, Out), T, [])), Ts),
    thread_create(sum(Out, 1000, 0, _), _, []) -> 
    forall(between(1, 1000, N), thread_send_message(Q, n(N))),
    forall(member(_, Ts), thread_send_message(Q, stop)),
    maplist([T1]>>thread_join(T1, true), Ts), writeln(squares),
    mutex_create(_, [alias(m)]),
    findall(T2, (between(1, 8, _), thread_create(add(500), T2, [])), T2s), maplist([X]>>thread_join(X, true), T2s),
    counter(C), writeln(counter(C)),
    concurrent_maplist([A, B]>>(B is A*A), [1,2,3,4,5,6,7,8], L), writeln(L),
    concurrent(3, [X1 = 1, X2 = 2, X3 = 3], []), writeln([X1, X2, X3]),
    first_solution(Y, [(sleep(0.01), Y = same), Y = same], []), writeln(Y),
    catch(call_with_time_limit(0.05, spin(0)), E, true), writeln(E),
    catch(call_with_time_limit(0.05, sleep(100)), E2, true), writeln(E2),
    thread_create(catch(spin(0), K, (print_message(silent, x), K = stopped)), T3, []),
    thread_signal(T3, throw(stopped)), thread_join(T3, St), writeln(St),
    thread_create(catch(sleep(1000), K4, K4 = stopped), T4, []),
    thread_signal(T4, throw(stopped)), thread_join(T4, St4), writeln(St4),
    thread_self(Me), ( thread_get_message(Me, never, [timeout(0.02)]) -> true ; writeln(timeout) ),
    findall(T5, (between(1, 6, _), thread_create((numlist(1, 100000, NL), sum_list(NL, Sm), Sm == 5000050000,
        garbage_collect), T5, [])), T5s),
    maplist([Z]>>(thread_join(Z, R), R == true), T5s), garbage_collect_atoms, writeln(garbage),
    tcp_socket(S), tcp_setopt(S, reuseaddr), tcp_bind(S, Port), tcp_listen(S, 50),
    thread_create(echo_server(S, 20), Srv, []),
    numlist(1, 20, Ns), concurrent_maplist(client(Port), Ns, Ls), writeln(Ls), thread_join(Srv),
    process_create('/bin/echo', [child], [stdout(pipe(PO))]), read_string(PO, _, PS), close(PO), write(PS),
    writeln(done).
