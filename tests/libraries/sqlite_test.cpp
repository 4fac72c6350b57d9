// SQLite on disk, unmodified, in fibers of one OS thread: connections of their own that wait for each other in SQLite's busy handler.
#include "together.hpp"

#include <sqlite3.h>

#include <memory>
#include <optional>

using weft_test::many;

namespace {

class database {
public:
  explicit database(const std::string& name, int busy_ms = 60'000) {
    const std::string path = weft_test::setting("WEFT_TEST_FOLDER") + "/" + name + "-" + std::to_string(getpid());
    if (sqlite3_open(path.c_str(), &handle_) != SQLITE_OK) throw std::runtime_error("cannot open " + path);
    sqlite3_busy_timeout(handle_, busy_ms);
  }
  database(const database&) = delete;
  database& operator=(const database&) = delete;
  ~database() { CHECK(sqlite3_close(handle_) == SQLITE_OK); }

  int try_to(const std::string& sql, std::string* last = nullptr) {
    const auto note = [](void* into, int, char** values, char**) {
      if (into != nullptr) *static_cast<std::string*>(into) = values[0] != nullptr ? values[0] : "null";
      return 0;
    };
    return sqlite3_exec(handle_, sql.c_str(), note, last, nullptr);
  }
  // The first column of the last row.
  std::string ask(const std::string& sql) {
    std::string last;
    if (try_to(sql, &last) != SQLITE_OK) throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_));
    return last;
  }

private:
  sqlite3* handle_ = nullptr;
};

// 100 writers all wait for one that holds the lock, then each writes in its turn. None may be lost.
void write_together(const std::string& journal) {
  database first(journal);
  REQUIRE(first.ask("pragma journal_mode = " + journal) == journal);
  first.ask("create table counter (n int); insert into counter values (0); create table lines (fiber int, k int, text)");
  int waiting = 0, finished = 0;
  weft::event all_waiting;
  first.ask("begin immediate");
  weft_test::together(
      many,
      [&](int i) {
        database db(journal);
        // A few wait for the disk.
        db.ask(i % 25 == 5 ? "pragma synchronous = full" : "pragma synchronous = off");
        if (++waiting == many) all_waiting.set();
        db.ask("begin immediate");
        const int n = std::stoi(db.ask("select n from counter"));
        for (int k = 0; k < 20; ++k)
          db.ask("insert into lines values (" + std::to_string(i) + ", " + std::to_string(k) + ", hex(randomblob(200)))");
        if (i % 10 == 0) weft::this_fiber::sleep_for(std::chrono::milliseconds(1));  // others meet the lock
        db.ask("update counter set n = " + std::to_string(n + 1));
        db.ask("commit");
        CHECK(db.ask("select count(*) from lines where fiber = " + std::to_string(i)) == "20");
        ++finished;
      },
      [&] {
        all_waiting.wait();
        // Nobody could get in: they are all in the busy handler.
        CHECK(finished == 0);
        first.ask("commit");
      });
  CHECK(first.ask("select n from counter") == std::to_string(many));
  CHECK(first.ask("select count(*) from lines") == std::to_string(20 * many));
  CHECK(first.ask("pragma integrity_check") == "ok");
}

}  // namespace

TEST_CASE("100 writers with a rollback journal wait in the busy handler and lose nothing") { write_together("truncate"); }

TEST_CASE("100 writers with a write-ahead log wait in the busy handler and lose nothing") { write_together("wal"); }

TEST_CASE("readers of a write-ahead log see their snapshot while a writer works, and checkpoints wait for them") {
  database first("snapshot");
  first.ask("pragma journal_mode = wal; create table t (n int); insert into t values (0)");
  weft::event begun, written;
  int reading = 0;
  weft_test::together(11, [&](int i) {
    database db("snapshot");
    if (i < 10) {
      db.ask("begin");
      CHECK(db.ask("select max(n) from t") == "0");
      if (++reading == 10) begun.set();
      written.wait();
      CHECK(db.ask("select max(n) from t") == "0");
      db.ask("commit");
      CHECK(db.ask("select max(n) from t") == "100");
    } else {
      begun.wait();
      for (int n = 1; n <= 100; ++n) db.ask("insert into t values (" + std::to_string(n) + ")");
      // A reader is in the way: busy, 1 in the first column, after the timeout.
      database hasty("snapshot", 20);
      CHECK(hasty.ask("pragma wal_checkpoint(truncate)") == "1");
      written.set();
      CHECK(db.ask("pragma wal_checkpoint(truncate)") == "0");
    }
  });
}

TEST_CASE("a busy timeout that passes is SQLITE_BUSY") {
  database first("busy");
  first.ask("create table t (n int)");
  first.ask("begin exclusive");
  weft_test::together(10, [&](int) {
    database db("busy", 30);
    CHECK(db.try_to("insert into t values (1)") == SQLITE_BUSY);
  });
  first.ask("commit");
  CHECK(first.ask("select count(*) from t") == "0");
}
