// postgres: 200 slow queries at once through plain libpq, in one OS thread.
//
//   postgres 'host=127.0.0.1 port=5432 user=me dbname=postgres'
//
// libpq knows nothing of fibers: PQexec sends its query and blocks in poll(2) until the server answers. After weft::patch_all() that
// wait parks only the fiber. The pool is a queue of connections: a fiber takes one, or parks until one is given back.
//
// Prints:
//   200 queries of 100 ms through 50 connections
//   50 ran at once in the server
//   sum 19900
#include <weft/weft.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

connection connect(const char* where) {
  connection c(PQconnectdb(where), PQfinish);
  if (PQstatus(c.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(c.get()));
  return c;
}

int ask(const connection& c, const std::string& query) {
  const answer a(PQexec(c.get(), query.c_str()), PQclear);
  if (PQresultStatus(a.get()) != PGRES_TUPLES_OK) throw std::runtime_error(PQerrorMessage(c.get()));
  return std::atoi(PQgetvalue(a.get(), 0, 0));
}

}  // namespace

int main(int argc, char** argv) {
  const char* where = argc > 1 ? argv[1] : "";
  constexpr int queries = 200, connections = 50;
  weft::patch_all();

  weft::queue<connection> pool;
  weft::task_group opening;
  opening.run([&] {
    for (int i = 0; i < connections; ++i) opening.spawn([&] { pool.put(connect(where)); });
  });
  std::printf("%d queries of 100 ms through %d connections\n", queries, connections);

  int running = 0, most = 0, sum = 0;
  weft::task_group work;
  work.run([&] {
    for (int i = 0; i < queries; ++i)
      work.spawn([&, i] {
        connection c = pool.get();
        most = std::max(most, ++running);  // fibers of one thread: no lock
        sum += ask(c, "select " + std::to_string(i) + " from pg_sleep(0.1)");
        --running;
        pool.put(std::move(c));
      });
  });
  std::printf("%d ran at once in the server\nsum %d\n", most, sum);
}
