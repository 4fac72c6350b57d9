// weft-dns-server: a small real DNS server for tests and the demo (UDP, and TCP for truncated answers), one thread.
// Relies on sockets and dns_zone.hpp only, never on Weft, so that what it observes of a client is independent of the
// library under test. Delayed answers wait in a queue: any number may be in flight at once, and the most is counted.
#include "dns_zone.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <queue>
#include <random>
#include <tuple>

namespace {

using namespace weft_test::dns;
using clock_type = std::chrono::steady_clock;

const char usage[] =
  "weft-dns-server --port-file FILE [option]...\n"
  "  --address A          listen on A (default 127.0.0.1)\n"
  "  --port N             listen on port N (default: any free one; the port file says which)\n"
  "  --stats-file FILE    written at SIGTERM, as the line on standard output is\n"
  "  --log FILE           a line \"TYPE NAME\" for each query, written at once\n"
  "  --delay-ms N         answer N ms after the query came\n"
  "  --hold N             answer nothing until N queries wait for their answers at once, then everything, held or to come\n"
  "  --loss PERCENT       drop that share of UDP queries; --seed N makes it repeatable\n"
  "  --record NAME=IP     IPv4 or IPv6, may be repeated for one name; PTR follows from it\n"
  "  --cname NAME=TARGET  --wildcard SUFFIX=IP\n"
  "  --nxdomain NAME      --servfail NAME      --silent NAME (never answered)\n"
  "  --wrong-id NAME      a forged reply with another id and address 192.0.2.66 comes before the true one\n"
  "  --wrong-question NAME  one for another name, with that address, comes before the true one\n"
  "  --garbage NAME       bytes that are no message and a reply to no question come before the true one\n"
  "  --runt NAME          two bytes, and a header without its rest, come before the true one\n"
  "  --refused NAME       --empty NAME (no error, no answer)\n"
  "  --lose NAME=N        the first N queries for NAME are lost\n"
  "  --truncated NAME     by UDP only a truncated reply: the client must come by TCP\n"
  "  --end-with-parent    end when the starting process dies\n";

struct options {
  zone names;
  std::string port_file, stats_file, log_file, address = "127.0.0.1";
  std::map<std::string, int> lose;
  int port = 0, delay_ms = 0, loss_percent = 0;
  std::size_t hold = 0;
  unsigned seed = 1;
  bool end_with_parent = false;
};

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "weft-dns-server: " << what << '\n';
  std::exit(2);
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--help") { std::cout << usage; std::exit(0); }
    if (key == "--end-with-parent") { o.end_with_parent = true; continue; }
    if (i + 1 == argc) fail("an unknown option, or one without its value: " + key + "\n" + usage);
    const std::string value = argv[++i];
    const std::size_t equals = value.find('=');
    const auto pair = [&] {
      if (equals == std::string::npos) fail(key + " wants NAME=VALUE");
      return std::pair(lower(value.substr(0, equals)), value.substr(equals + 1));
    };
    if (key == "--port-file") o.port_file = value;
    else if (key == "--stats-file") o.stats_file = value;
    else if (key == "--log") o.log_file = value;
    else if (key == "--address") o.address = value;
    else if (key == "--port") o.port = std::stoi(value);
    else if (key == "--delay-ms") o.delay_ms = std::stoi(value);
    else if (key == "--hold") o.hold = std::stoul(value);
    else if (key == "--loss") o.loss_percent = std::stoi(value);
    else if (key == "--seed") o.seed = static_cast<unsigned>(std::stoul(value));
    else if (key == "--record") o.names.add_address(pair().first, pair().second);
    else if (key == "--wildcard") o.names.wildcards[pair().first].push_back(address_bytes(pair().second));
    else if (key == "--cname") o.names.aliases[pair().first] = lower(pair().second);
    else if (key == "--nxdomain") o.names.nxdomain.insert(lower(value));
    else if (key == "--servfail") o.names.servfail.insert(lower(value));
    else if (key == "--silent") o.names.silent.insert(lower(value));
    else if (key == "--wrong-id") o.names.wrong_id.insert(lower(value));
    else if (key == "--wrong-question") o.names.wrong_question.insert(lower(value));
    else if (key == "--garbage") o.names.garbage.insert(lower(value));
    else if (key == "--runt") o.names.runt.insert(lower(value));
    else if (key == "--refused") o.names.refused.insert(lower(value));
    else if (key == "--empty") o.names.empty.insert(lower(value));
    else if (key == "--lose") o.lose[pair().first] = std::stoi(pair().second);
    else if (key == "--truncated") o.names.truncated.insert(lower(value));
    else fail("unknown option " + key + "\n" + usage);
  }
  if (o.port_file.empty()) fail("--port-file is needed");
  return o;
}

// One reply that waits for its time.
struct pending {
  clock_type::time_point due;
  std::uint64_t order;                 // equal times leave in the order the queries came
  int descriptor;
  std::uint64_t connection;            // 0: UDP
  sockaddr_storage to;
  socklen_t to_size;
  std::vector<std::string> messages;
  bool operator>(const pending& other) const { return std::tie(due, order) > std::tie(other.due, other.order); }
};

struct connection {
  int descriptor;
  std::uint64_t number;
  std::string received;
};

class server {
public:
  explicit server(options o) : options_(std::move(o)), random_(options_.seed) {
    open_sockets();
    if (!options_.log_file.empty()) log_.open(options_.log_file);
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, nullptr);
    signal_ = signalfd(-1, &ending, SFD_CLOEXEC);
    if (options_.end_with_parent) prctl(PR_SET_PDEATHSIG, SIGTERM);
    // The name appears at once with its content: whoever waits for the file never reads half a number.
    const std::string draft = options_.port_file + ".new";
    std::ofstream(draft) << options_.port << '\n';
    if (std::rename(draft.c_str(), options_.port_file.c_str()) != 0) fail("cannot write " + options_.port_file);
  }

  void run() {
    for (;;) {
      std::vector<pollfd> watched{{signal_, POLLIN, 0}, {udp_, POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const connection& c : connections_) watched.push_back({c.descriptor, POLLIN, 0});
      if (poll(watched.data(), watched.size(), wait_ms()) < 0 && errno != EINTR) fail(std::strerror(errno));
      if (watched[0].revents) break;
      if (watched[1].revents) receive_datagrams();
      for (std::size_t i = watched.size(); i-- > 3;)
        if (watched[i].revents) receive_stream(i - 3);
      if (watched[2].revents) accept_connection();
      send_due();
    }
    report();
  }

private:
  void open_sockets() {
    const std::string bytes = address_bytes(options_.address);
    if (bytes.size() != 4) fail("--address wants IPv4");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, bytes.data(), 4);
    // A port free for UDP may be taken for TCP: try a few.
    for (int attempt = 0; attempt < 20; ++attempt) {
      address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
      udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (bind(udp_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail(std::string("bind: ") + std::strerror(errno));
      socklen_t size = sizeof address;
      getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &size);
      listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const int on = 1;
      setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(listener_, 1024) == 0) {
        const int space = 4 << 20;      // a burst of look-ups must not be lost to a short queue
        setsockopt(udp_, SOL_SOCKET, SO_RCVBUF, &space, sizeof space);
        setsockopt(udp_, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof space);
        options_.port = ntohs(address.sin_port);
        return;
      }
      close(udp_);
      close(listener_);
    }
    fail("no port that is free for both UDP and TCP");
  }

  // Until as many were in flight at once: how long that takes them is the machine's affair.
  bool holds() const { return most_in_flight_ < options_.hold; }

  int wait_ms() const {
    if (queue_.empty() || holds()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(queue_.top().due - clock_type::now());
    return left.count() < 0 ? 0 : static_cast<int>(left.count());
  }

  void receive_datagrams() {
    char buffer[4096];
    for (;;) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t got = recvfrom(udp_, buffer, sizeof buffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) return;
      if (static_cast<int>(random_() % 100) < options_.loss_percent) { ++dropped_; continue; }
      take({buffer, static_cast<std::size_t>(got)}, udp_, 0, from, size);
    }
  }

  void accept_connection() {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor >= 0) connections_.push_back({descriptor, ++connection_count_, {}});
  }

  void receive_stream(std::size_t index) {
    connection& c = connections_[index];
    char buffer[4096];
    const ssize_t got = recv(c.descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) {
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      close(c.descriptor);
      connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(index));
      return;
    }
    c.received.append(buffer, static_cast<std::size_t>(got));
    while (c.received.size() >= 2) {
      const std::size_t length = reader(c.received).u16();
      if (c.received.size() < length + 2) return;
      take(std::string_view(c.received).substr(2, length), c.descriptor, c.number, {}, 0);
      c.received.erase(0, length + 2);
    }
  }

  void take(std::string_view bytes, int descriptor, std::uint64_t number, const sockaddr_storage& from, socklen_t size) {
    const std::optional<question> q = parse_question(bytes);
    if (!q) return;
    ++queries_;
    if (log_.is_open()) log_ << type_name(q->asked) << ' ' << q->name << std::endl;
    if (options_.names.silent.count(q->name)) { ++dropped_; return; }
    if (const auto lost = options_.lose.find(q->name); lost != options_.lose.end() && lost->second > 0) {
      --lost->second;
      ++dropped_;
      return;
    }
    pending p{clock_type::now() + std::chrono::milliseconds(options_.delay_ms), queries_, descriptor, number, from, size, {}};
    if (options_.names.wrong_id.count(q->name)) {
      question forged = *q;
      forged.id = static_cast<std::uint16_t>(~q->id);
      p.messages.push_back(format_reply(forged, {rcode::ok, {{q->name, type::a, address_bytes("192.0.2.66")}}}, false));
    }
    if (options_.names.wrong_question.count(q->name)) {
      question other = *q;
      other.name = "other.test";
      other.wire.clear();
      put_name(other.wire, other.name);
      put16(other.wire, static_cast<unsigned>(q->asked));
      put16(other.wire, 1);
      p.messages.push_back(format_reply(other, {rcode::ok, {{other.name, type::a, address_bytes("192.0.2.66")}}}, false));
    }
    const reply r = options_.names.answer(*q);
    if (options_.names.garbage.count(q->name)) {
      p.messages.push_back(std::string(600, 'x'));
      p.messages.push_back(format_reply({}, r, true));
    }
    if (options_.names.runt.count(q->name)) {
      p.messages.push_back("\xff\xff");
      p.messages.push_back(format_reply(*q, r, false).substr(0, 12));
    }
    std::string message = format_reply(*q, r, false);
    if (number != 0) {
      ++by_tcp_;
      std::string framed;
      put16(framed, static_cast<unsigned>(message.size()));
      message = framed + message;
    } else if (message.size() > q->udp_limit || options_.names.truncated.count(q->name)) {
      message = format_reply(*q, r, true);
    }
    p.messages.push_back(std::move(message));
    queue_.push(std::move(p));
    most_in_flight_ = std::max(most_in_flight_, queue_.size());
  }

  void send_due() {
    if (holds()) return;
    const auto now = clock_type::now();
    for (; !queue_.empty() && queue_.top().due <= now; queue_.pop()) {
      const pending& p = queue_.top();
      for (const std::string& m : p.messages) {
        if (p.connection == 0) sendto(udp_, m.data(), m.size(), 0, reinterpret_cast<const sockaddr*>(&p.to), p.to_size);
        else if (is_open(p.connection)) send(p.descriptor, m.data(), m.size(), MSG_NOSIGNAL);
      }
      ++answered_;
    }
  }

  // The client may have hung up meanwhile and the descriptor may be another's.
  bool is_open(std::uint64_t number) const {
    for (const connection& c : connections_)
      if (c.number == number) return true;
    return false;
  }

  static std::string type_name(type t) {
    switch (t) {
    case type::a: return "A";
    case type::aaaa: return "AAAA";
    case type::ptr: return "PTR";
    case type::cname: return "CNAME";
    case type::any: return "ANY";
    }
    return "TYPE" + std::to_string(static_cast<unsigned>(t));
  }

  void report() const {
    const std::string line = "queries=" + std::to_string(queries_) + " answered=" + std::to_string(answered_) +
      " dropped=" + std::to_string(dropped_) + " tcp=" + std::to_string(by_tcp_) +
      " most_in_flight=" + std::to_string(most_in_flight_) + "\n";
    std::cout << line << std::flush;
    if (!options_.stats_file.empty()) std::ofstream(options_.stats_file) << line;
  }

  options options_;
  std::mt19937 random_;
  std::ofstream log_;
  int udp_ = -1, listener_ = -1, signal_ = -1;
  std::vector<connection> connections_;
  std::priority_queue<pending, std::vector<pending>, std::greater<>> queue_;
  std::uint64_t connection_count_ = 0, queries_ = 0, answered_ = 0, dropped_ = 0, by_tcp_ = 0;
  std::size_t most_in_flight_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  server(parse(argc, argv)).run();
  return 0;
} catch (const std::exception& e) {
  fail(e.what());
}
