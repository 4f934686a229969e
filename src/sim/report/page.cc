#include "sim/report/page.h"

#include <fmt/format.h>

#include <algorithm>

namespace synod::sim::report {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2733; --soft: #5b6775; --line: #dde3e9;
  --lead: #1f5fa8; --on-lead: #fff; --elected: #8fb4dc; --follow: #9fb3a4; --join: #c79a3c;
  --look: #c4552d; --band: #1f5fa833; --mark: #8a3ffc; --panel: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --paper: #12171d; --ink: #e3e9ef; --soft: #9aa7b4;
  --line: #2b343e; --lead: #6aa9ee; --on-lead: #0b1219; --elected: #39628f; --follow: #5f7a67;
  --join: #b98d35; --look: #e0764f; --band: #6aa9ee3d; --mark: #be95ff; --panel: #1a2129; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 66rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; } h2 { margin: 3rem 0 .5rem; font-size: 1.35rem; }
h3 { margin: 2.2rem 0 .3rem; font-size: 1.08rem; }
p { max-width: 46rem; } .note { color: var(--soft); margin: .1rem 0 .4rem; }
code { background: var(--panel); padding: .15em .4em; border-radius: 4px; overflow-wrap: anywhere; }
figure { margin: .4rem 0 1rem; } figcaption { color: var(--soft); font-size: .85rem; }
svg { display: block; width: 100%; height: auto; }
.number, .label, .on-leading { font-size: 12px; fill: var(--soft); }
.middle { text-anchor: middle; } .end { text-anchor: end; } .on-leading { fill: var(--on-lead); }
.grid { stroke: var(--line); stroke-width: 1; }
.mark { stroke: var(--mark); stroke-width: 1.2; stroke-dasharray: 4 3; }
.band { fill: var(--band); } .mean { fill: none; stroke: var(--lead); stroke-width: 2; }
.commits { fill: var(--soft); }
.leading { fill: var(--lead); } .elected { fill: var(--elected); } .following { fill: var(--follow); }
.joining { fill: var(--join); } .looking { fill: var(--look); } .down { fill: var(--line); }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; padding: 0; margin: .6rem 0; list-style: none;
  color: var(--soft); font-size: .9rem; }
.legend svg { display: inline-block; width: 34px; height: 20px; vertical-align: middle; margin-right: .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0 1rem; }
caption { text-align: left; color: var(--soft); font-size: .85rem; padding-bottom: .3rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; }
th[scope=row], thead th:first-child { text-align: left; } thead th { color: var(--soft); font-size: .85rem; }
.bytes td { background: color-mix(in srgb, var(--lead) calc(var(--share, 0%) * .55), transparent); }
.bytes .sum { background: none; font-weight: 600; } .scroll { overflow-x: auto; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; } details { margin: .3rem 0; }
)";

constexpr std::string_view kLegend = R"(<ul class="legend" aria-label="Legend of the time lines">
<li><svg viewBox="0 0 34 20" aria-hidden="true"><rect width="34" height="20" class="leading"/></svg>leads and serves</li>
<li><svg viewBox="0 0 34 20" aria-hidden="true"><rect width="34" height="20" class="elected"/></svg>leads, does not serve yet</li>
<li><svg viewBox="0 0 34 20" aria-hidden="true"><rect y="5" width="34" height="10" class="following"/></svg>follows and serves</li>
<li><svg viewBox="0 0 34 20" aria-hidden="true"><rect y="7" width="34" height="6" class="joining"/></svg>follows, does not serve yet</li>
<li><svg viewBox="0 0 34 20" aria-hidden="true"><rect y="7" width="34" height="6" class="looking"/></svg>looks for a leader</li>
<li><svg viewBox="0 0 34 20" aria-hidden="true"><rect y="9" width="34" height="2" class="down"/></svg>is down</li>
<li><svg viewBox="0 0 34 20" aria-hidden="true"><rect y="3" width="34" height="14" class="band"/><path d="M0 10H34" class="mean"/></svg>mean and its 95% confidence interval</li>
<li><svg viewBox="0 0 34 20" aria-hidden="true"><path d="M17 0V20" class="mark"/></svg>what was done to them</li>
</ul>
)";

std::string to_html(const Table& table) {
  if (table.rows.empty()) return {};
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& cell : table.head)
    html += fmt::format("<th scope=\"col\">{}</th>", escaped(cell));
  html += "</tr></thead><tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      html += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", escaped(row[i]))
                     : fmt::format("<td>{}</td>", escaped(row[i]));
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string figure(std::string_view caption, const std::string& drawing) {
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", drawing, escaped(caption));
}

std::string to_html(const Group& group, const Throughput& throughput, double top) {
  std::string html = fmt::format("<h3>{}</h3>\n", escaped(group.title));
  if (!group.note.empty()) html += fmt::format("<p class=\"note\">{}</p>\n", escaped(group.note));
  html += figure(fmt::format("Throughput: the mean of {} runs and its 95% confidence interval.",
                             group.runs.size()),
                 throughput_figure(group, throughput, top));
  html +=
      figure(fmt::format("Who leads and what commits, in the run of seed {}.", group.seeds.front()),
             leaders_figure(group, 0));
  html += "<div class=\"scroll\">" + bytes_table(group) + "</div>";
  return html + throughput_numbers(group, throughput);
}

std::string to_html(const Section& section) {
  std::string html = fmt::format("<section>\n<h2>{}</h2>\n<p>{}</p>\n{}", escaped(section.title),
                                 escaped(section.text), to_html(section.summary));
  std::vector<Throughput> throughputs;
  double top = 1;
  for (const Group& group : section.groups) {
    throughputs.push_back(throughput_of(group));
    for (const Estimate& rate : throughputs.back().rates) top = std::max(top, rate.high);
  }
  for (std::size_t i = 0; i < section.groups.size(); ++i)
    html += to_html(section.groups[i], throughputs[i], round_top(top));
  return html + "</section>\n";
}

}  // namespace

std::string to_html(const Page& page) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n<p>{2}</p>\n"
      "<p>Made by <code>{3}</code>; the same command makes the same page.</p>\n{4}",
      escaped(page.title), kStyle, escaped(page.text), escaped(page.command), kLegend);
  for (const Section& section : page.sections) html += to_html(section);
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace synod::sim::report
