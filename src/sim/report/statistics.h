// The mean of a few runs, and how sure one may be of it.
#pragma once

#include <vector>

namespace synod::sim::report {

struct Estimate {
  double mean = 0;
  double low = 0;  // the 95% confidence interval of the mean, by Student's t
  double high = 0;
};

// Of at least two values; of fewer the interval is the value itself.
[[nodiscard]] Estimate estimate(const std::vector<double>& values);
// Student's t for a two-sided 95%.
[[nodiscard]] double student_t95(std::size_t degrees_of_freedom);

}  // namespace synod::sim::report
