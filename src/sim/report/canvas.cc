#include "sim/report/canvas.h"

#include <fmt/format.h>

#include <cmath>

namespace synod::sim::report {
namespace {

constexpr double kBelow = 44;           // the time axis, its numbers and its name
constexpr std::size_t kMarksNamed = 6;  // more would be a thicket: then short lines without names
constexpr double kNameWidth = 80;

// About so many steps, of 1, 2 or 5 times a power of ten.
double step_of(double range, double steps) { return round_top(range / steps); }

}  // namespace

void Canvas::text(double x, double y, std::string_view style, std::string_view text) {
  body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", x, y, style,
                       escaped(text));
}

void Canvas::time_axis() {
  const double unit = static_cast<double>(group_.unit);
  const double first = static_cast<double>(from_) / unit;
  const double last = static_cast<double>(to_) / unit;
  const double step = std::max(step_of(last - first, 12), 1.0);
  for (double at = std::ceil(first / step) * step; at <= last; at += step) {
    const double place = x(static_cast<Micros>(at * unit));
    body_ += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" class=\"grid\"/>\n",
        place, top_, bottom_ + 4);
    text(place, bottom_ + 18, "number middle", fmt::format("{:.0f}", at + 0.0));  // no -0
  }
  text((kLeft + kRight) / 2, bottom_ + 36, "label middle", group_.unit_name);
}

void Canvas::value_axis(double most, double from_y, double to_y, std::string_view label) {
  const double step = step_of(most, 4);
  for (double value = 0; value <= most * 1.001; value += step) {
    const double y = to_y - (to_y - from_y) * value / most;
    body_ += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" class=\"grid\"/>\n",
                         kLeft, kRight, y, y);
    text(kLeft - 6, y + 4, "number end", fmt::format("{:g}", value));
  }
  const double middle = (from_y + to_y) / 2;
  body_ += fmt::format(
      "<text transform=\"translate(16 {:.1f}) rotate(-90)\" class=\"label middle\">{}</text>\n",
      middle, escaped(label));
}

void Canvas::marks(const std::vector<RunRecord::Mark>& marks) {
  const bool are_named = marks.size() <= kMarksNamed;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i].at < from_ || marks[i].at > to_) continue;
    const double place = x(marks[i].at);
    body_ += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" class=\"mark\">"
        "<title>{3}</title></line>\n",
        place, top_ - 6, are_named ? bottom_ : top_ + 4, escaped(marks[i].text));
    if (!are_named) continue;
    // To the left of its line where the next name, or the edge, is near.
    const double next = i + 1 < marks.size() ? x(marks[i + 1].at) : kRight;
    const bool is_left = next - place < kNameWidth;
    text(place + (is_left ? -4 : 4), top_ - 9, is_left ? "number end" : "number", marks[i].text);
  }
}

std::string Canvas::svg(std::string_view id, std::string_view title,
                        std::string_view description) const {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-labelledby=\"{}-t {}-d\">\n"
      "<title id=\"{}-t\">{}</title>\n<desc id=\"{}-d\">{}</desc>\n{}</svg>\n",
      kWidth, bottom_ + kBelow, id, id, id, escaped(title), id, escaped(description), body_);
}

}  // namespace synod::sim::report
