// A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
#pragma once

#include <string>
#include <vector>

#include "sim/report/figures.h"

namespace synod::sim::report {

struct Table {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;  // a row's first cell is its name
};

struct Section {
  std::string title;
  std::string text;
  Table summary;
  std::vector<Group> groups;  // their throughput is drawn on one scale
};

struct Page {
  std::string title;
  std::string text;
  std::string command;  // that makes it again
  std::vector<Section> sections;
};

[[nodiscard]] std::string to_html(const Page& page);

}  // namespace synod::sim::report
