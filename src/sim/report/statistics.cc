#include "sim/report/statistics.h"

#include <cmath>
#include <cstddef>
#include <numeric>

namespace synod::sim::report {

// Hill's series around the normal quantile (Abramowitz and Stegun 26.7.5): right to a hundredth
// from five degrees on.
double student_t95(std::size_t degrees_of_freedom) {
  const double z = 1.959964;
  const double n = static_cast<double>(degrees_of_freedom);
  const double z3 = std::pow(z, 3);
  const double z5 = std::pow(z, 5);
  const double z7 = std::pow(z, 7);
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

Estimate estimate(const std::vector<double>& values) {
  if (values.empty()) return {};
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return {mean, mean, mean};
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double half =
      student_t95(values.size() - 1) * std::sqrt(squares / (count - 1)) / std::sqrt(count);
  return {mean, mean - half, mean + half};
}

}  // namespace synod::sim::report
