// A chat room: whatever one says, all the others hear. A task reads from each member, another writes to it from a queue, so a slow
// reader holds up nobody. With a port as its argument (0: any that is free) it serves there until Ctrl-C; members come by
// `nc 127.0.0.1 PORT`, and say their name first.
//
// Prints:
//   ann hears: * welcome
//   bob hears: * welcome
//   ann hears: * bob is here
//   ann hears: bob: hi all
//   eve hears: * welcome
//   ann hears: * eve is here
//   bob hears: * eve is here
//   ann hears: eve: hello
//   bob hears: eve: hello
//   bob hears: ann: bye
//   eve hears: ann: bye
//   bob hears: * ann has left
//   eve hears: * ann has left
#include <weft/weft.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

using namespace std::chrono_literals;
namespace async = weft::async;

class chat_room {
public:
  weft::task<> serve(weft::stream s) {
    const auto name = co_await async::read_line(s);
    if (!name) co_return;
    seat here(*this, *name);
    try {
      co_await async::with_group([&](weft::task_group& both) -> weft::task<> {  // when one ends, so does the other
        both.spawn([&] { return write_to(s, here.to_say); });
        while (auto line = co_await async::read_line(s)) tell(*name + ": " + *line, &here);
        both.cancel();
      });
    } catch (const std::system_error&) {  // gone without a word
    }
  }

private:
  // A member's place, until its task is over, however that ends.
  struct seat {
    seat(chat_room& r, std::string n) : room(r), name(std::move(n)) {
      room.tell("* " + name + " is here");
      room.seats_.insert(this);
      to_say.try_put("* welcome");
    }
    ~seat() {
      room.seats_.erase(this);
      room.tell("* " + name + " has left");
    }
    chat_room& room;
    std::string name;
    weft::queue<std::string> to_say{100};
  };
  static weft::task<> write_to(weft::stream& s, weft::queue<std::string>& to_say) {
    while (auto line = co_await async::next(to_say)) co_await async::write_all(s, *line + "\n");
  }
  void tell(const std::string& line, const seat* but = nullptr) {
    for (seat* s : seats_)
      if (s != but) s->to_say.try_put(line);  // a member who is 100 lines behind misses some
  }
  std::set<seat*> seats_;
};

struct member {
  std::string name;
  weft::stream line;
  weft::task<> say(std::string text) { co_await async::write_all(line, text + "\n"); }
  weft::task<> hear() {
    const auto heard = co_await async::read_line(line);
    std::printf("%s hears: %s\n", name.c_str(), heard.value_or("nothing").c_str());
  }
};
static weft::task<member> join(std::string name, std::uint16_t port) {
  weft::stream line = co_await async::connect("127.0.0.1", port);
  member m{std::move(name), std::move(line)};
  co_await m.say(m.name);
  co_await m.hear();
  co_return m;
}

static weft::task<> program(bool for_others, std::uint16_t wanted) {
  chat_room room;
  weft::stream_server server(co_await async::listen("127.0.0.1", wanted), [&](weft::stream s) { return room.serve(std::move(s)); });
  const auto port = server.local_endpoint().port();
  if (for_others) {
    std::fprintf(stderr, "serving at port %d\n", port);
    co_await async::serve_forever(server);
  }
  server.start();

  member ann = co_await join("ann", port);
  member bob = co_await join("bob", port);
  co_await ann.hear();
  co_await bob.say("hi all");
  co_await ann.hear();
  member eve = co_await join("eve", port);
  co_await ann.hear();
  co_await bob.hear();
  co_await eve.say("hello");
  co_await ann.hear();
  co_await bob.hear();
  co_await ann.say("bye");
  co_await bob.hear();
  co_await eve.hear();
  ann.line.close();
  co_await bob.hear();
  co_await eve.hear();
  co_await async::stop(server, 0s);
}

int main(int argc, char** argv) { weft::await(program(argc > 1, static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0))); }
