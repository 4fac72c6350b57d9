// A chat room: whatever one says, all the others hear. A task reads from each member, another writes to it from a queue, so a slow
// reader holds up nobody.
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
#include <map>
#include <string>

using namespace std::chrono_literals;
namespace async = weft::async;

class chat_room {
public:
  weft::task<> serve(weft::stream s) {
    const auto name = co_await async::read_line(s);
    if (!name) co_return;
    weft::queue<std::string> to_say(100);
    tell("* " + *name + " is here", *name);
    members_[*name] = &to_say;
    to_say.try_put("* welcome");
    co_await async::with_group([&](weft::task_group& both) -> weft::task<> {
      both.spawn([&] { return write_to(s, to_say); });
      try {
        while (auto line = co_await async::read_line(s)) tell(*name + ": " + *line, *name);
      } catch (const std::system_error&) {  // gone without a word
      }
      both.cancel();
    });
    members_.erase(*name);
    tell("* " + *name + " has left", *name);
  }

private:
  static weft::task<> write_to(weft::stream& s, weft::queue<std::string>& to_say) {
    while (auto line = co_await async::next(to_say)) co_await async::write_all(s, *line + "\n");
  }
  void tell(const std::string& line, const std::string& but) {
    for (auto& [name, to_say] : members_)
      if (name != but) to_say->try_put(line);  // a member who is 100 lines behind misses some
  }
  std::map<std::string, weft::queue<std::string>*> members_;
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

static weft::task<> program() {
  chat_room room;
  weft::stream_server server(co_await async::listen("127.0.0.1", 0), [&](weft::stream s) { return room.serve(std::move(s)); });
  server.start();
  const auto port = server.local_endpoint().port();

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

int main() { weft::await(program()); }
