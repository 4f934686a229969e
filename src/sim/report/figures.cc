#include "sim/report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "sim/report/canvas.h"

namespace synod::sim::report {
namespace {

using consensus::Role;

std::string id_of(const Group& group, std::string_view figure) {
  std::string id(figure);
  for (const char c : group.title) id += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return id;
}

std::string at(const Group& group, Micros time) {
  return fmt::format("{:.2f}", static_cast<double>(time) / static_cast<double>(group.unit));
}

std::string points(const Canvas& canvas, const Throughput& throughput, double top,
                   double (*value)(const Estimate&), bool is_backwards = false) {
  std::vector<std::string> places;
  for (std::size_t i = 0; i < throughput.rates.size(); ++i) {
    const double rate = std::clamp(value(throughput.rates[i]), 0.0, top);
    const double y = canvas.bottom() - (canvas.bottom() - canvas.top()) * rate / top;
    places.push_back(fmt::format("{:.1f},{:.1f}", canvas.x(throughput.middles[i]), y));
  }
  if (is_backwards) std::ranges::reverse(places);
  return fmt::format("{}", fmt::join(places, " "));
}

// ---- who is what ------------------------------------------------------------------------------

constexpr double kRow = 26;  // a server's

// Told by height as well as by colour.
struct Look {
  std::string_view style;
  double height;
  std::string_view words;
};
Look look_of(const RunRecord::Span& span) {
  if (!span.is_up) return {"down", 2, "is down"};
  const consensus::Status& status = span.status;
  if (status.role == Role::kLooking) return {"looking", 6, "looks for a leader"};
  if (status.role == Role::kLeading)
    return status.is_serving ? Look{"leading", 20, "leads and serves"}
                             : Look{"elected", 20, "leads and does not serve yet"};
  return status.is_serving ? Look{"following", 10, "follows and serves"}
                           : Look{"joining", 6, "follows and does not serve yet"};
}

void draw_span(Canvas& canvas, const Group& group, const RunRecord::Span& span, double middle) {
  const Look look = look_of(span);
  const double left = canvas.x(span.from);
  const double width = std::max(canvas.x(span.to) - left, 0.5);
  const consensus::Status& status = span.status;
  std::string words = fmt::format("server {} {}", span.server + 1, look.words);
  if (status.epoch != 0) words += fmt::format(", epoch {}", status.epoch);
  if (status.leader.value != 0 && status.role != Role::kLeading)
    words += fmt::format(", leader {}", status.leader.value);
  canvas.add(fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" class=\"{}\"><title>{}, from "
      "{} to {}</title></rect>\n",
      left, middle - look.height / 2, width, look.height, look.style, escaped(words),
      at(group, span.from), at(group, span.to)));
  if (look.style == "leading" && width > 80)
    canvas.text(left + 6, middle + 4, "on-leading", fmt::format("leads, epoch {}", status.epoch));
}

// Bars of what is committed, as many as the eye can tell apart.
void draw_commits(Canvas& canvas, const RunRecord& run, double top, double bottom) {
  constexpr std::size_t kBars = 290;
  const std::size_t width = std::max<std::size_t>(run.commits.size() / kBars, 1);
  std::vector<std::uint32_t> bars;
  for (std::size_t i = 0; i + width <= run.commits.size(); i += width) {
    std::uint32_t sum = 0;
    for (std::size_t j = 0; j < width; ++j) sum += run.commits[i + j];
    bars.push_back(sum);
  }
  const double seconds = static_cast<double>(width) * RunRecord::kSlice / kSecond;
  const double most = bars.empty() ? 1 : std::max<std::uint32_t>(std::ranges::max(bars), 1);
  const double top_rate = round_top(most / seconds);
  canvas.value_axis(top_rate, top, bottom, "commits/s");
  std::string path;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    if (bars[i] == 0) continue;
    const auto slices = static_cast<Micros>(width) * RunRecord::kSlice;
    const Micros from = run.from + static_cast<Micros>(i) * slices;
    const double height = (bottom - top) * bars[i] / seconds / top_rate;
    path += fmt::format("M{:.1f} {:.1f}V{:.1f}H{:.1f}V{:.1f}Z", canvas.x(from), bottom,
                        bottom - height, canvas.x(from + slices), bottom);
  }
  canvas.add(fmt::format("<path d=\"{}\" class=\"commits\"/>\n", path));
}

}  // namespace

// ---- throughput -------------------------------------------------------------------------------

Throughput throughput_of(const Group& group) {
  Throughput throughput;
  if (group.runs.empty()) return throughput;
  const auto slices = static_cast<std::size_t>(group.bin / RunRecord::kSlice);
  const Micros from = group.runs.front().from;
  std::size_t bins = SIZE_MAX;
  for (const RunRecord& run : group.runs) bins = std::min(bins, run.commits.size() / slices);
  for (std::size_t bin = 0; bin < bins; ++bin) {
    std::vector<double> rates;
    for (const RunRecord& run : group.runs) {
      double sum = 0;
      for (std::size_t i = bin * slices; i < (bin + 1) * slices; ++i) sum += run.commits[i];
      rates.push_back(sum * kSecond / static_cast<double>(group.bin));
    }
    throughput.middles.push_back(from + static_cast<Micros>(bin) * group.bin + group.bin / 2);
    throughput.rates.push_back(estimate(rates));
  }
  return throughput;
}

std::string throughput_figure(const Group& group, const Throughput& throughput, double top) {
  if (group.runs.empty()) return {};
  const RunRecord& first = group.runs.front();
  Canvas canvas(group, first.from, first.to(), 24, 184);
  canvas.value_axis(top, canvas.top(), canvas.bottom(), "commits per second");
  canvas.time_axis();
  canvas.add(fmt::format(
      "<polygon points=\"{} {}\" class=\"band\"/>\n<polyline points=\"{}\" class=\"mean\"/>\n",
      points(canvas, throughput, top, [](const Estimate& of) { return of.high; }),
      points(
          canvas, throughput, top, [](const Estimate& of) { return of.low; }, true),
      points(canvas, throughput, top, [](const Estimate& of) { return of.mean; })));
  if (first.marks.size() < 4) canvas.marks(first.marks);
  return canvas.svg(
      id_of(group, "throughput"), group.title + ": throughput",
      fmt::format("Committed transactions a second: the mean of {} runs as a line, its 95% "
                  "confidence interval as a band. The numbers are in the table below.",
                  group.runs.size()));
}

std::string throughput_numbers(const Group& group, const Throughput& throughput) {
  std::string rows;
  for (std::size_t i = 0; i < throughput.rates.size(); ++i) {
    const Estimate& rate = throughput.rates[i];
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{:.1f}</td><td>{:.1f}</td><td>{:.1f}</td></tr>\n",
        at(group, throughput.middles[i]), rate.mean, rate.low, rate.high);
  }
  return fmt::format(
      "<details><summary>The numbers</summary><table class=\"numbers\"><caption>{}: commits per "
      "second</caption><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">mean</th><th "
      "scope=\"col\">95% from</th><th scope=\"col\">to</th></tr></thead><tbody>\n{}</tbody></table>"
      "</details>\n",
      escaped(group.title), escaped(group.unit_name), rows);
}

// ---- one run ----------------------------------------------------------------------------------

std::string leaders_figure(const Group& group, std::size_t run) {
  const RunRecord& record = group.runs.at(run);
  const double rows_end = 24 + kRow * static_cast<double>(record.servers);
  Canvas canvas(group, record.from, record.to(), 24, rows_end + 92);
  canvas.time_axis();
  for (std::size_t i = 0; i < record.servers; ++i)
    canvas.text(Canvas::kLeft - 6, 24 + kRow * (static_cast<double>(i) + 0.5) + 4, "number end",
                fmt::format("server {}", i + 1));
  for (const RunRecord::Span& span : record.spans)
    draw_span(canvas, group, span, 24 + kRow * (static_cast<double>(span.server) + 0.5));
  draw_commits(canvas, record, rows_end + 22, canvas.bottom());
  canvas.marks(record.marks);
  return canvas.svg(
      id_of(group, "leaders"),
      fmt::format("{}: who leads, and what commits, seed {}", group.title, group.seeds.at(run)),
      "A row for each server: high where it leads, half as high where it follows and "
      "serves, thin where it does neither; below, committed transactions a second.");
}

// ---- links ------------------------------------------------------------------------------------

std::string bytes_table(const Group& group) {
  const std::size_t servers = group.runs.front().servers;
  const RunRecord& first = group.runs.front();
  const double seconds = static_cast<double>(first.to() - first.from) / kSecond *
                         static_cast<double>(group.runs.size());
  std::vector<double> rates(servers * servers);  // KiB a second
  for (const RunRecord& run : group.runs)
    for (std::size_t i = 0; i < rates.size(); ++i)
      rates[i] += static_cast<double>(run.bytes[i]) / 1024 / seconds;
  const double most = std::max(std::ranges::max(rates), 1e-9);
  std::string head;
  std::string rows;
  for (std::size_t from = 0; from < servers; ++from) {
    head += fmt::format("<th scope=\"col\">to {}</th>", from + 1);
    rows += fmt::format("<tr><th scope=\"row\">server {}</th>", from + 1);
    double sum = 0;
    for (std::size_t to = 0; to < servers; ++to) {
      const double rate = rates[from * servers + to];
      sum += rate;
      rows += from == to ? "<td></td>"
                         : fmt::format("<td style=\"--share:{:.0f}%\">{:.1f}</td>",
                                       100 * rate / most, rate);
    }
    rows += fmt::format("<td class=\"sum\">{:.1f}</td></tr>\n", sum);
  }
  return fmt::format(
      "<table class=\"bytes\"><caption>Bytes per link, in KiB a second: the mean of {} runs; from "
      "the row's server</caption><thead><tr><th></th>{}<th scope=\"col\">to all</th></tr></thead>"
      "<tbody>\n{}</tbody></table>\n",
      group.runs.size(), head, rows);
}

// ---- text -------------------------------------------------------------------------------------

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

double round_top(double most) {
  if (most <= 0) return 1;
  const double power = std::pow(10, std::floor(std::log10(most)));
  for (const double step : {1.0, 2.0, 5.0})
    if (most <= step * power * 1.0001) return step * power;
  return 10 * power;
}

}  // namespace synod::sim::report
