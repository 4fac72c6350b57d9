// libmariadb, unmodified and blocking, in fibers of one OS thread against a real MariaDB.
#include "together.hpp"

#include <mysql.h>

#include <memory>

using weft_test::many;

namespace {

using connection = std::unique_ptr<MYSQL, decltype(&mysql_close)>;

connection connect() {
  connection c(mysql_init(nullptr), mysql_close);
  if (mysql_real_connect(c.get(), "127.0.0.1", "weft", "weft", "weft",
                         static_cast<unsigned>(weft_test::setting_number("WEFT_TEST_PORT")), nullptr, 0) == nullptr)
    throw std::runtime_error(mysql_error(c.get()));
  return c;
}

// The first column of all rows, separated by spaces.
std::string ask(const connection& c, const std::string& query) {
  if (mysql_real_query(c.get(), query.data(), query.size()) != 0) throw std::runtime_error(mysql_error(c.get()));
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> r(mysql_store_result(c.get()), mysql_free_result);
  std::string text;
  if (r == nullptr) return text;
  while (MYSQL_ROW row = mysql_fetch_row(r.get())) text.append(text.empty() ? "" : " ").append(row[0] != nullptr ? row[0] : "NULL");
  return text;
}

}  // namespace

TEST_CASE("100 fibers sleep in 100 server threads at once and each gets its own answer") {
  mysql_library_init(0, nullptr, nullptr);
  // The server does not notice at once that the client of an earlier run has left a sleep.
  const std::string mark = " -- of process " + std::to_string(getpid());
  weft_test::sleep_at_once(
      [] { return connect(); },
      [&](const connection& c, int i, const std::string& seconds) {
        CHECK(ask(c, "select " + std::to_string(i) + " * 7 + sleep(" + seconds + ")" + mark) == std::to_string(i * 7));
      },
      [&](const connection& c) {
        return std::stoi(ask(c, "select count(*) from information_schema.processlist where state = 'User sleep' and info like '%" +
                                    mark + "'"));
      });
}

TEST_CASE("transactions that wait for each other's rows, big results, prepared statements and errors") {
  const connection first = connect();
  ask(first, "create or replace table counter (n int) engine=innodb");
  ask(first, "insert into counter values (0)");
  weft_test::together(20, [&](int i) {
    const connection c = connect();
    ask(c, "start transaction");
    const int n = std::stoi(ask(c, "select n from counter for update"));
    ask(c, "update counter set n = " + std::to_string(n + 1));
    ask(c, "commit");
    // More than a socket holds, so that reading it waits in the middle.
    const std::string big = ask(c, "select repeat('" + std::string(1, static_cast<char>('a' + i)) + "', 3000000)");
    CHECK(big == std::string(3'000'000, static_cast<char>('a' + i)));

    const std::unique_ptr<MYSQL_STMT, decltype(&mysql_stmt_close)> s(mysql_stmt_init(c.get()), mysql_stmt_close);
    const std::string text = "select ? + 1 from seq_1_to_3";
    REQUIRE(mysql_stmt_prepare(s.get(), text.data(), text.size()) == 0);
    int number = i;
    MYSQL_BIND in{};
    in.buffer_type = MYSQL_TYPE_LONG;
    in.buffer = &number;
    REQUIRE(mysql_stmt_bind_param(s.get(), &in) == 0);
    REQUIRE(mysql_stmt_execute(s.get()) == 0);
    long long answer = 0;
    MYSQL_BIND out{};
    out.buffer_type = MYSQL_TYPE_LONGLONG;
    out.buffer = &answer;
    REQUIRE(mysql_stmt_bind_result(s.get(), &out) == 0);
    int rows = 0;
    while (mysql_stmt_fetch(s.get()) == 0) {
      CHECK(answer == i + 1);
      ++rows;
    }
    CHECK(rows == 3);

    CHECK(mysql_query(c.get(), "select nonsense from nowhere") != 0);
    CHECK(mysql_errno(c.get()) == 1146);
    CHECK(ask(c, "select 1") == "1");
  });
  CHECK(ask(first, "select n from counter") == "20");
}

TEST_CASE("a read timeout of the library ends its wait") {
  weft_test::together(2, [&](int) {
    connection c(mysql_init(nullptr), mysql_close);
    const unsigned one = 1;
    mysql_options(c.get(), MYSQL_OPT_READ_TIMEOUT, &one);
    REQUIRE(mysql_real_connect(c.get(), "127.0.0.1", "weft", "weft", "weft",
                               static_cast<unsigned>(weft_test::setting_number("WEFT_TEST_PORT")), nullptr, 0) != nullptr);
    CHECK(mysql_query(c.get(), "select sleep(60)") != 0);
    CHECK(mysql_errno(c.get()) == 2013);  // lost connection during query
  });
}
