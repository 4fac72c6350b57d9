// redis: a job queue with 100 workers, by plain hiredis, in one OS thread.
//
//   redis [PORT]
//
// Each worker blocks in BLPOP until a job comes: with blocking sockets that would take 100 threads. After weft::patch_all() the read
// inside hiredis parks only the worker's fiber, and the producer in main goes on.
//
// Prints:
//   100 workers wait
//   1000 jobs done, sum of squares 332833500
#include <weft/weft.hpp>

#include <hiredis/hiredis.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

using connection = std::unique_ptr<redisContext, decltype(&redisFree)>;

struct free_reply {
  void operator()(redisReply* r) const { freeReplyObject(r); }
};
using reply = std::unique_ptr<redisReply, free_reply>;

connection connect(int port) {
  connection c(redisConnect("127.0.0.1", port), redisFree);
  if (c == nullptr || c->err != 0) throw std::runtime_error(c == nullptr ? "no memory" : c->errstr);
  return c;
}

template <class... Args>
reply ask(const connection& c, const char* command, Args... args) {
  reply r(static_cast<redisReply*>(redisCommand(c.get(), command, args...)));
  if (r == nullptr) throw std::runtime_error(c->errstr);
  return r;
}

// Takes numbers from the list and adds their squares, until it is told to stop.
void worker(int port) {
  const connection c = connect(port);
  for (;;) {
    const reply job = ask(c, "BLPOP weft:jobs 0");
    const long n = std::atol(job->element[1]->str);
    if (n < 0) return;
    ask(c, "INCRBY weft:sum %ld", n * n);
    ask(c, "INCR weft:done");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int port = argc > 1 ? std::atoi(argv[1]) : 6379;
  constexpr int workers = 100, jobs = 1000;
  weft::patch_all();
  const connection c = connect(port);
  ask(c, "DEL weft:jobs weft:sum weft:done");

  weft::task_group group;
  group.run([&] {
    for (int i = 0; i < workers; ++i) group.spawn(worker, port);
    // What Redis says of its clients: all workers hang in BLPOP.
    while (std::string(ask(c, "INFO clients")->str).find("blocked_clients:" + std::to_string(workers)) == std::string::npos)
      weft::this_fiber::sleep_for(std::chrono::milliseconds(1));
    std::printf("%d workers wait\n", workers);
    for (int n = 0; n < jobs; ++n) ask(c, "RPUSH weft:jobs %d", n);
    for (int i = 0; i < workers; ++i) ask(c, "RPUSH weft:jobs -1");
  });
  std::printf("%s jobs done, sum of squares %s\n", ask(c, "GET weft:done")->str, ask(c, "GET weft:sum")->str);
}
