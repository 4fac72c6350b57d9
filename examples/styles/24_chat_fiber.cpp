// A chat room: whatever one says, all the others hear. A fiber reads from each member, another writes to it from a queue, so a slow
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

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

class chat_room {
public:
  void serve(weft::stream s) {
    const auto name = s.read_line();
    if (!name) return;
    seat here(*this, *name);
    try {
      weft::task_group both;  // reading and writing: when one ends, so does the other
      both.spawn([&] {
        for (const std::string& line : here.to_say) s.write_all(line + "\n");
      });
      both.run([&] {
        while (auto line = s.read_line()) tell(*name + ": " + *line, &here);
        both.cancel();
      });
    } catch (const std::system_error&) {  // gone without a word
    }
  }

private:
  // A member's place, until its fiber is over, however that ends.
  struct seat {
    seat(chat_room& r, std::string n) : room(r), name(std::move(n)) {
      room.tell("* " + name + " is here");
      room.seats_.insert(this);
      to_say.put("* welcome");
    }
    ~seat() {
      room.seats_.erase(this);
      room.tell("* " + name + " has left");
    }
    chat_room& room;
    std::string name;
    weft::queue<std::string> to_say{100};
  };
  void tell(const std::string& line, const seat* but = nullptr) {
    for (seat* s : seats_)
      if (s != but) s->to_say.try_put(line);  // a member who is 100 lines behind misses some
  }
  std::set<seat*> seats_;
};

struct member {
  std::string name;
  weft::stream line;
  member(std::string n, std::uint16_t port) : name(std::move(n)), line(weft::stream::connect("127.0.0.1", port)) {
    say(name);
    hear();
  }
  void say(const std::string& text) { line.write_all(text + "\n"); }
  void hear() { std::printf("%s hears: %s\n", name.c_str(), line.read_line().value_or("nothing").c_str()); }
};

int main(int argc, char** argv) {
  chat_room room;
  const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  weft::stream_server server(weft::listener("127.0.0.1", wanted), [&](weft::stream s) { room.serve(std::move(s)); });
  const auto port = server.local_endpoint().port();
  if (argc > 1) {
    std::fprintf(stderr, "serving at port %d\n", port);
    server.serve_forever();
  }
  server.start();

  member ann("ann", port);
  member bob("bob", port);
  ann.hear();
  bob.say("hi all");
  ann.hear();
  member eve("eve", port);
  ann.hear();
  bob.hear();
  eve.say("hello");
  ann.hear();
  bob.hear();
  ann.say("bye");
  bob.hear();
  eve.hear();
  ann.line.close();
  bob.hear();
  eve.hear();
}
