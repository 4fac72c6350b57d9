%% Erlang: schedulers, many processes, TCP, files by dirty schedulers, ports, timers, links, ETS.
-module(threads).
-export([main/0]).

main() ->
    S = self(),
    Pids = [spawn(fun() -> receive {go, N} -> S ! {done, N * N} end end) || _ <- lists:seq(1, 5000)],
    lists:foreach(fun({P, N}) -> P ! {go, N} end, lists:zip(Pids, lists:seq(1, 5000))),
    io:format("processes ~p~n", [lists:sum([receive {done, V} -> V end || _ <- Pids])]),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {packet, line}, {ip, {127,0,0,1}}, {backlog, 100}]),
    {ok, Port} = inet:port(L),
    spawn(fun() -> accept(L) end),
    Clients = [spawn_monitor(fun() -> client(Port, N) end) || N <- lists:seq(1, 50)],
    io:format("clients ~p~n", [lists:usort([receive {'DOWN', R, process, P, Why} -> Why end || {P, R} <- Clients])]),
    Names = ["f" ++ integer_to_list(N) || N <- lists:seq(1, 30)],
    Self = self(),
    [spawn(fun() -> ok = file:write_file(F, binary:copy(<<"weft">>, 10000)), {ok, B}
        = file:read_file(F), ok = file:delete(F),
                    Self ! {file, byte_size(B)} end) || F <- Names],
    io:format("files ~p~n", [lists:sum([receive {file, B} -> B end || _ <- Names])]),
    io:format("port ~p~n", [os:cmd("echo from a port; exit 3")]),
    P = open_port({spawn, "cat"}, [binary]), port_command(P, <<"through cat">>),
    io:format("cat ~p~n", [receive {P, {data, D}} -> D after 10000 -> none end]), port_close(P),
    [erlang:send_after(N rem 20, self(), {tick, N}) || N <- lists:seq(1, 500)],
    io:format("timers ~p~n", [lists:sum([receive {tick, N} -> N end || _ <- lists:seq(1, 500)])]),
    T = ets:new(t, [public, {write_concurrency, true}]), ets:insert(T, {n, 0}),
    Ws = [spawn_monitor(fun() -> [ets:update_counter(T, n, 1) || _ <- lists:seq(1, 1000)] end) || _ <- lists:seq(1,
        20)],
    [receive {'DOWN', R, _, _, _} -> ok end || {_, R} <- Ws],
    io:format("ets ~p~n", [ets:lookup(T, n)]),
    process_flag(trap_exit, true),
    spawn_link(fun() -> exit(boom) end),
    io:format("link ~p~n", [receive {'EXIT', _, W} -> W end]),
    Big = pmap(fun(N) -> erlang:phash2(crypto_like(N, 20000)) end, lists:seq(1, 16)),
    io:format("computed ~p~n", [erlang:phash2(Big)]),
    erlang:garbage_collect(),
    init:stop(0).

pmap(F, L) -> S = self(), Rs = [begin R = make_ref(), spawn(fun() -> S ! {R, F(X)}
    end), R end || X <- L], [receive {R, V} -> V end || R <- Rs].
crypto_like(N, 0) -> N;
crypto_like(N, K) -> crypto_like((N * 1103515245 + 12345) rem 2147483648, K - 1).
accept(L) -> case gen_tcp:accept(L) of {ok, S} -> P = spawn(fun() -> receive go -> echo(S) end end),
    gen_tcp:controlling_process(S, P), P ! go, accept(L); _ -> ok end.
echo(S) -> case gen_tcp:recv(S, 0) of {ok, D} -> gen_tcp:send(S, D), echo(S); _ -> gen_tcp:close(S) end.
client(Port, N) -> {ok, S} = gen_tcp:connect({127,0,0,1}, Port, [binary, {active, false}, {packet, line}]),
    [begin M = iolist_to_binary([integer_to_list(N * K), "\n"]), ok = gen_tcp:send(S, M), {ok, M}
        = gen_tcp:recv(S, 0, 20000) end || K <- lists:seq(1, 20)],
    gen_tcp:close(S).
