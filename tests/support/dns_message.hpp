// DNS wire format for the test server: reads one question, writes one reply (RFC 1035; EDNS size of RFC 6891).
// Relies on nothing but the standard library. Must never trust a length found in a message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft_test::dns {

enum class type : std::uint16_t { a = 1, cname = 5, ptr = 12, aaaa = 28, any = 255 };
enum class rcode : std::uint8_t { ok = 0, servfail = 2, nxdomain = 3, notimp = 4, refused = 5 };

struct question {
  std::uint16_t id = 0;
  std::string name;              // lower case, no trailing dot
  type asked = type::a;
  bool recursion_desired = false;
  std::size_t udp_limit = 512;   // larger when the query carries EDNS
  std::string wire;              // the question section as it came: the reply must echo its spelling
};

struct record {
  std::string owner;
  type kind;
  std::string data;              // A, AAAA: address bytes; CNAME, PTR: a name in text
};

struct reply {
  rcode code = rcode::ok;
  std::vector<record> answers;
};

inline std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

class reader {
public:
  explicit reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint16_t u16() {
    const std::uint16_t high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint8_t u8() {
    if (at_ >= bytes_.size()) { bad_ = true; return 0; }
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }
  // Questions carry no compression pointers, so one is treated as damage.
  std::string name() {
    std::string text;
    for (;;) {
      const std::size_t length = u8();
      if (length == 0 || bad_) return text;
      if (length > 63 || at_ + length > bytes_.size() || text.size() + length > 254) { bad_ = true; return text; }
      if (!text.empty()) text += '.';
      text += bytes_.substr(at_, length);
      at_ += length;
    }
  }
  std::size_t at() const { return at_; }
  bool bad() const { return bad_; }

private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

// Nothing for what is not a query with exactly one question: the server stays silent then, as on the real net.
inline std::optional<question> parse_question(std::string_view bytes) {
  reader in(bytes);
  question q;
  q.id = in.u16();
  const std::uint16_t flags = in.u16();
  const std::uint16_t questions = in.u16();
  in.u16();
  in.u16();
  const std::uint16_t additional = in.u16();
  if (in.bad() || (flags & 0xf800) != 0 || questions != 1) return std::nullopt;
  q.recursion_desired = (flags & 0x0100) != 0;
  const std::size_t from = in.at();
  q.name = lower(in.name());
  q.asked = static_cast<type>(in.u16());
  in.u16();                                         // class
  if (in.bad()) return std::nullopt;
  q.wire = bytes.substr(from, in.at() - from);
  if (additional > 0 && in.u8() == 0 && in.u16() == 41) {
    const std::size_t size = in.u16();
    if (!in.bad() && size > q.udp_limit) q.udp_limit = size;
  }
  return q;
}

inline void put16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

inline void put_name(std::string& out, std::string_view name) {
  while (!name.empty()) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    out += static_cast<char>(label.size());
    out += label;
    name = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  }
  out += '\0';
}

// `truncated` gives the TC form: the question without any answer, which makes a client ask again by TCP.
inline std::string format_reply(const question& q, const reply& r, bool truncated, std::uint32_t ttl = 30) {
  std::string out;
  put16(out, q.id);
  put16(out, 0x8000u | 0x0400u | (truncated ? 0x0200u : 0u) | (q.recursion_desired ? 0x0100u : 0u) | 0x0080u |
                 static_cast<unsigned>(r.code));
  put16(out, 1);
  put16(out, truncated ? 0 : static_cast<unsigned>(r.answers.size()));
  put16(out, 0);
  put16(out, 0);
  out += q.wire;
  if (truncated) return out;
  for (const record& answer : r.answers) {
    put_name(out, answer.owner);
    put16(out, static_cast<unsigned>(answer.kind));
    put16(out, 1);
    put16(out, ttl >> 16);
    put16(out, ttl & 0xffff);
    std::string data = answer.data;
    if (answer.kind == type::cname || answer.kind == type::ptr) {
      data.clear();
      put_name(data, answer.data);
    }
    put16(out, static_cast<unsigned>(data.size()));
    out += data;
  }
  return out;
}

}  // namespace weft_test::dns
