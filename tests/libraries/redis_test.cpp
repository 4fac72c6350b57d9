// hiredis, unmodified and blocking, in fibers of one OS thread against a real Redis behind a proxy that delays (proxy.py).
#include "together.hpp"

#include <hiredis/hiredis.h>

#include <memory>

using weft_test::many;

namespace {

struct free_context {
  void operator()(redisContext* c) const { redisFree(c); }
};
struct free_reply {
  void operator()(redisReply* r) const { freeReplyObject(r); }
};
using connection = std::unique_ptr<redisContext, free_context>;
using reply = std::unique_ptr<redisReply, free_reply>;

connection connect(const char* port = "WEFT_TEST_PORT") {
  connection c(redisConnect("127.0.0.1", weft_test::setting_number(port)));
  if (c == nullptr || c->err != 0) throw std::runtime_error(c == nullptr ? "no memory" : c->errstr);
  return c;
}

template <class... Args>
reply ask(const connection& c, const char* format, Args... args) {
  reply r(static_cast<redisReply*>(redisCommand(c.get(), format, args...)));
  if (r == nullptr) throw std::runtime_error(c->errstr);
  return r;
}

std::string text(const reply& r) { return r->str != nullptr ? std::string(r->str, r->len) : std::string(); }

}  // namespace

TEST_CASE("100 fibers have 100 commands in flight at once and each gets its own answer") {
  ask(connect(), "PROXYSTATS");
  weft_test::together(many, [](int i) {
    const connection c = connect();
    const std::string value = std::string(static_cast<std::size_t>(i) * 40, 'v') + std::to_string(i);
    CHECK(text(ask(c, "SET key:%d %b", i, value.data(), value.size())) == "OK");
    CHECK(text(ask(c, "GET key:%d", i)) == value);
    CHECK(ask(c, "INCRBY sum:%d %d", i, i)->type == REDIS_REPLY_INTEGER);
    CHECK(ask(c, "DEL sum:%d key:%d", i, i)->integer == 2);
  });
  CHECK(ask(connect(), "PROXYSTATS")->integer == many);
}

TEST_CASE("pipelines, blocking pops, subscriptions and timeouts work in fibers as in threads") {
  weft::event subscribed, popping;
  weft_test::together(4, [&](int i) {
    const connection c = connect("WEFT_TEST_DIRECT_PORT");
    if (i == 0) {
      for (int k = 0; k < 1000; ++k) REQUIRE(redisAppendCommand(c.get(), "INCR pipeline") == REDIS_OK);
      for (int k = 1; k <= 1000; ++k) {
        void* raw = nullptr;
        REQUIRE(redisGetReply(c.get(), &raw) == REDIS_OK);
        CHECK(reply(static_cast<redisReply*>(raw))->integer == k);
      }
      ask(c, "DEL pipeline");
    } else if (i == 1) {
      popping.set();
      const reply r = ask(c, "BLPOP list 0");
      REQUIRE(r->elements == 2);
      CHECK(std::string(r->element[1]->str) == "pushed");
    } else if (i == 2) {
      ask(c, "SUBSCRIBE news");
      subscribed.set();
      void* raw = nullptr;
      REQUIRE(redisGetReply(c.get(), &raw) == REDIS_OK);
      const reply r(static_cast<redisReply*>(raw));
      REQUIRE(r->elements == 3);
      CHECK(std::string(r->element[2]->str) == "hello");
    } else {
      popping.wait();
      subscribed.wait();
      ask(c, "RPUSH list pushed");
      CHECK(ask(c, "PUBLISH news hello")->integer == 1);
      // SO_RCVTIMEO, which is how hiredis does it.
      const timeval soon{0, 50'000};
      REQUIRE(redisSetTimeout(c.get(), soon) == REDIS_OK);
      CHECK(redisCommand(c.get(), "BLPOP nothing 60") == nullptr);
      CHECK(c->err == REDIS_ERR_IO);
    }
  });
}

TEST_CASE("a connection that is refused says so in every fiber") {
  weft_test::together(2, [](int) {
    weft::this_fiber::yield();
    weft::this_fiber::sleep_for(std::chrono::milliseconds(1));
    const connection c(redisConnectWithTimeout("127.0.0.1", 1, timeval{5, 0}));
    REQUIRE(c != nullptr);
    CHECK(c->err == REDIS_ERR_IO);
    CHECK(std::string(c->errstr) == "Connection refused");
  });
}
