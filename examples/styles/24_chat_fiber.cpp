// A chat room: whatever one says, all the others hear. A fiber reads from each member, another writes to it from a queue, so a slow
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

#include <cstdio>
#include <map>
#include <string>

class chat_room {
public:
  void serve(weft::stream s) {
    const auto name = s.read_line();
    if (!name) return;
    weft::queue<std::string> to_say(100);
    tell("* " + *name + " is here", *name);
    members_[*name] = &to_say;
    to_say.put("* welcome");
    weft::task_group writing;  // ends with this fiber, however that ends
    writing.spawn([&] {
      for (const std::string& line : to_say) s.write_all(line + "\n");
    });
    try {
      while (auto line = s.read_line()) tell(*name + ": " + *line, *name);
    } catch (const std::system_error&) {  // gone without a word
    }
    members_.erase(*name);
    tell("* " + *name + " has left", *name);
  }

private:
  void tell(const std::string& line, const std::string& but) {
    for (auto& [name, to_say] : members_)
      if (name != but) to_say->try_put(line);  // a member who is 100 lines behind misses some
  }
  std::map<std::string, weft::queue<std::string>*> members_;
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

int main() {
  chat_room room;
  weft::stream_server server(weft::listener("127.0.0.1", 0), [&](weft::stream s, const weft::endpoint&) { room.serve(std::move(s)); });
  server.start();
  const auto port = server.local_endpoint().port();

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
