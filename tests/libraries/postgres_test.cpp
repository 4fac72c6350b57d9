// libpq, unmodified and blocking, in fibers of one OS thread against a real PostgreSQL.
#include "together.hpp"

#include <libpq-fe.h>

#include <memory>

using weft_test::many;

namespace {

using connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using result = std::unique_ptr<PGresult, decltype(&PQclear)>;

connection connect() {
  const std::string where =
      "host=127.0.0.1 user=weft dbname=postgres sslmode=disable port=" + weft_test::setting("WEFT_TEST_PORT");
  connection c(PQconnectdb(where.c_str()), PQfinish);
  if (PQstatus(c.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(c.get()));
  return c;
}

result ask(const connection& c, const std::string& query) {
  result r(PQexec(c.get(), query.c_str()), PQclear);
  const auto status = PQresultStatus(r.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(c.get()));
  return r;
}

std::string field(const result& r) { return PQntuples(r.get()) == 1 ? PQgetvalue(r.get(), 0, 0) : "(not one row)"; }

}  // namespace

TEST_CASE("100 fibers sleep in 100 backends at once and each gets its own answer") {
  weft_test::sleep_at_once(
      [] { return connect(); },
      [](const connection& c, int i, const std::string& seconds) {
        CHECK(field(ask(c, "select " + std::to_string(i) + " * 7 from pg_sleep(" + seconds + ")")) == std::to_string(i * 7));
      },
      [](const connection& c) {
        return std::stoi(field(ask(c, "select count(*) from pg_stat_activity where state = 'active' and wait_event = 'PgSleep'")));
      });
}

TEST_CASE("locks, notifications, copies and errors work in fibers as in threads") {
  ask(connect(), "drop table if exists counter; create table counter (n int); insert into counter values (0);"
                 "drop table if exists lines; create table lines (fiber int, line text)");
  int waiting = 0;
  weft_test::together(20, [&](int i) {
    const connection c = connect();
    // Everyone wants the same row: the server makes 19 of them wait.
    ask(c, "begin");
    ask(c, "select n from counter for update");
    ++waiting;
    ask(c, "update counter set n = n + 1");
    ask(c, "commit");
    // COPY IN: many sends without an answer between them.
    result copy(PQexec(c.get(), "copy lines from stdin"), PQclear);
    CHECK(PQresultStatus(copy.get()) == PGRES_COPY_IN);
    for (int k = 0; k < 200; ++k) {
      const std::string line = std::to_string(i) + "\t" + std::string(500, static_cast<char>('a' + k % 26)) + "\n";
      CHECK(PQputCopyData(c.get(), line.data(), static_cast<int>(line.size())) == 1);
    }
    CHECK(PQputCopyEnd(c.get(), nullptr) == 1);
    while (PGresult* r = PQgetResult(c.get())) {
      CHECK(PQresultStatus(r) == PGRES_COMMAND_OK);
      PQclear(r);
    }
    CHECK(field(ask(c, "select count(*) from lines where fiber = " + std::to_string(i) + " and length(line) = 500")) == "200");
    // An error, then the connection goes on.
    ask(c, "set statement_timeout = 50");
    result late(PQexec(c.get(), "select pg_sleep(60)"), PQclear);
    CHECK(std::string(PQresultErrorField(late.get(), PG_DIAG_SQLSTATE)) == "57014");
    CHECK(field(ask(c, "select 1")) == "1");
  });
  CHECK(waiting == 20);
  CHECK(field(ask(connect(), "select n from counter")) == "20");
}

TEST_CASE("a fiber that waits for a notification is woken by another's") {
  weft::event listening;
  weft_test::together(2, [&](int i) {
    const connection c = connect();
    if (i == 0) {
      ask(c, "listen weft");
      listening.set();
      // As libpq's manual says: wait for the socket, then consume.
      PGnotify* n = nullptr;
      while ((n = PQnotifies(c.get())) == nullptr) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(PQsocket(c.get()), &set);
        REQUIRE(select(PQsocket(c.get()) + 1, &set, nullptr, nullptr, nullptr) == 1);
        REQUIRE(PQconsumeInput(c.get()) == 1);
      }
      CHECK(std::string(n->extra) == "hello");
      PQfreemem(n);
    } else {
      listening.wait();
      ask(c, "notify weft, 'hello'");
    }
  });
}
