// What is reported of failures that nobody saw, as long as it is in scope.
#pragma once

#include <string>
#include <vector>

#include "weft/hub.hpp"

struct reports {
  reports() {
    weft::on_error([this](const weft::unobserved_failure& f) { texts.emplace_back(f.text); });
  }
  ~reports() { weft::on_error({}); }
  reports(const reports&) = delete;
  reports& operator=(const reports&) = delete;
  std::vector<std::string> texts;
};
