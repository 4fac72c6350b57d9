// An ELF file laid out in memory as the loader would, without running anything of it: what the scanner of sites looks at.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "patch/elf_image.hpp"

namespace weft::doctor {

class mapped_file {
public:
  explicit mapped_file(const std::string& path);
  ~mapped_file();
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;

  // Empty, or why it could not be laid out.
  const std::string& error() const noexcept { return error_; }
  const patch::elf_image& image() const noexcept { return image_; }

  // Whether it takes this function from another object.
  bool needs(std::string_view name) const noexcept;

private:
  bool lay_out(int fd);
  void read_dynamic();

  std::string error_;
  char* base_ = nullptr;
  std::size_t size_ = 0;
  std::uintptr_t dynamic_ = 0;
  patch::elf_image image_;
  std::vector<std::string_view> imports_;
};

}  // namespace weft::doctor
