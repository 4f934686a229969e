// A drawing with a time axis: from times and values to places, and what every figure has around it.
#pragma once

#include <string>
#include <string_view>

#include "sim/report/figures.h"

namespace synod::sim::report {

class Canvas {
 public:
  static constexpr double kWidth = 960;
  static constexpr double kLeft = 74;  // of the plot
  static constexpr double kRight = 944;

  // `top` and `bottom`: of the plot. Below it comes the time axis.
  Canvas(const Group& group, Micros from, Micros to, double top, double bottom)
      : group_(group), from_(from), to_(to), top_(top), bottom_(bottom) {}

  [[nodiscard]] double x(Micros at) const {
    return kLeft +
           (kRight - kLeft) * static_cast<double>(at - from_) / static_cast<double>(to_ - from_);
  }
  [[nodiscard]] double top() const { return top_; }
  [[nodiscard]] double bottom() const { return bottom_; }

  void add(std::string_view markup) { body_ += markup; }
  // "sx" and so on are classes of the page's style.
  void text(double x, double y, std::string_view style, std::string_view text);
  void time_axis();
  // Values from 0 to `most`, with a line at each.
  void value_axis(double most, double from_y, double to_y, std::string_view label);
  // What was done: a line for each, named where few are, and where the pointer rests.
  void marks(const std::vector<RunRecord::Mark>& marks);

  // `id`: unique in the page.
  [[nodiscard]] std::string svg(std::string_view id, std::string_view title,
                                std::string_view description) const;

 private:
  const Group& group_;
  Micros from_;
  Micros to_;
  double top_;
  double bottom_;
  std::string body_;
};

}  // namespace synod::sim::report
