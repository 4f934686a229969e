#include "cli/sim_command.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <utility>

#include "cli/comparison_command.h"
#include "cli/report_command.h"
#include "server/four_letter_words.h"
#include "sim/simulation.h"

namespace synod::cli {
namespace {

using sim::RunOptions;
using sim::RunReport;

constexpr int kBadUse = 2;
constexpr std::size_t kShrinkRunsMax = 200;

// ---- what is asked for ------------------------------------------------------------------------

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

std::optional<sim::FaultSet> fault_set(const std::string& text) {
  if (text == "all") return sim::all_faults();
  sim::FaultSet set{};
  if (text == "none") return set;
  for (const std::string& name : split_at_commas(text)) {
    const auto kind = sim::fault_named(name);
    if (!kind) {
      fmt::print(stderr, "no such fault: {}. There are: all, none", name);
      for (std::size_t i = 0; i < sim::kFaultKinds; ++i)
        fmt::print(stderr, ", {}", sim::name_of(static_cast<sim::FaultKind>(i)));
      fmt::print(stderr, "\n");
      return std::nullopt;
    }
    set[static_cast<std::size_t>(*kind)] = true;
  }
  return set;
}

std::optional<RunOptions> run_options(const SimOptions& options) {
  if (!sim::is_engine(options.engine)) {
    fmt::print(stderr, "no such engine: {}. There are: {}\n", options.engine,
               fmt::join(sim::kEngines, ", "));
    return std::nullopt;
  }
  const auto faults = fault_set(options.faults);
  if (!faults) return std::nullopt;
  RunOptions run{.engine = options.engine,
                 .servers = options.engine == "solo" ? 1 : options.servers,
                 .observers = options.engine == "solo" ? 0 : options.observers,
                 .spares = options.engine == "solo" ? 0 : options.spares,
                 .seed = options.first_seed,
                 .duration = options.seconds * sim::kSecond,
                 .faults = *faults,
                 .only = {},
                 .trace = {}};
  if (!options.only.empty()) {
    run.only.emplace();
    for (const std::string& number : split_at_commas(options.only)) {
      if (number != "none") run.only->push_back(std::stoul(number));
    }
  }
  return run;
}

// What makes these runs again.
std::string command_line(const SimOptions& options, std::uint64_t first_seed, std::uint64_t seeds,
                         const std::string& only) {
  return fmt::format(
      "synod sim --engine {} --servers {} --observers {} --spares {} --seeds {} --first-seed {} "
      "--seconds {} --faults {}{}",
      options.engine, options.servers, options.observers, options.spares, seeds, first_seed,
      options.seconds, options.faults, only.empty() ? "" : " --only " + only);
}

std::string replay_command(const SimOptions& options, std::uint64_t seed, const std::string& only) {
  return command_line(options, seed, 1, only) + " --trace";
}

std::string report_command(const SimOptions& options) {
  return fmt::format("{} --report {}",
                     command_line(options, options.first_seed, options.seeds, options.only),
                     options.report);
}

// ---- a run in a child process -----------------------------------------------------------------

struct Result {
  std::uint64_t seed = 0;
  std::uint64_t cpu_us = 0;
  RunReport report;
};

std::uint64_t cpu_us_so_far() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// One line of numbers, then one for each violation, with line ends turned into \1.
std::string encode(const Result& result) {
  const RunReport& report = result.report;
  std::string text = fmt::format("R {} {} {} {} {} {} {} {} {} {} {} {} {}", result.seed,
                                 result.cpu_us, report.hash, report.simulated, report.requests,
                                 report.committed, report.leader_changes, report.reconfigurations,
                                 report.counts.snaps, report.counts.truncs, report.counts.diffs,
                                 report.counts.restarts, report.violations.size());
  for (const std::uint64_t count : report.counts.faults) text += fmt::format(" {}", count);
  text += '\n';
  for (std::string violation : report.violations) {
    std::ranges::replace(violation, '\n', '\1');
    text += violation + '\n';
  }
  return text;
}

std::optional<std::pair<Result, std::size_t>> decode(const std::string& line) {
  std::istringstream in(line);
  std::string mark;
  Result result;
  RunReport& report = result.report;
  std::size_t violations = 0;
  in >> mark >> result.seed >> result.cpu_us >> report.hash >> report.simulated >>
      report.requests >> report.committed >> report.leader_changes >> report.reconfigurations >>
      report.counts.snaps >> report.counts.truncs >> report.counts.diffs >>
      report.counts.restarts >> violations;
  for (std::uint64_t& count : report.counts.faults) in >> count;
  if (mark != "R" || !in) return std::nullopt;
  return std::pair{std::move(result), violations};
}

void write_all(int file, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = write(file, text.data() + done, text.size() - done);
    if (count <= 0) _exit(1);
    done += static_cast<std::size_t>(count);
  }
}

// Runs every step-th seed from `first` on, and tells of each before and after.
[[noreturn]] void work(int out, RunOptions run, std::uint64_t first, std::uint64_t end,
                       std::uint64_t step) {
  for (run.seed = first; run.seed < end; run.seed += step) {
    write_all(out, fmt::format("S {}\n", run.seed));
    const std::uint64_t before = cpu_us_so_far();
    Result result{.seed = run.seed, .cpu_us = 0, .report = sim::run(run)};
    result.cpu_us = cpu_us_so_far() - before;
    write_all(out, encode(result));
  }
  _exit(0);
}

class Worker {
 public:
  Worker(const RunOptions& run, std::uint64_t first, std::uint64_t end, std::uint64_t step)
      : run_(run), next_(first), end_(end), step_(step) {
    start();
  }
  [[nodiscard]] int file() const { return file_; }
  [[nodiscard]] bool is_done() const { return file_ < 0; }

  // What it said; a seed that killed it counts as failed, and the next one is begun.
  std::vector<Result> read() {
    std::array<char, 65536> buffer;
    const ssize_t count = ::read(file_, buffer.data(), buffer.size());
    if (count > 0) {
      input_.append(buffer.data(), static_cast<std::size_t>(count));
      return take_lines();
    }
    close(file_);
    file_ = -1;
    int status = 0;
    waitpid(pid_, &status, 0);
    std::vector<Result> results;
    if (running_) {
      Result& result = results.emplace_back();
      result.seed = *running_;
      result.report.violations.push_back(
          WIFSIGNALED(status) ? fmt::format("the process died of signal {}", WTERMSIG(status))
                              : "the process ended");
      next_ = *running_ + step_;
      if (next_ < end_) start();
    }
    return results;
  }

 private:
  void start() {
    int ends[2];
    if (pipe(ends) != 0) return;
    running_.reset();
    input_.clear();
    std::fflush(stdout);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      work(ends[1], run_, next_, end_, step_);
    }
    close(ends[1]);
    file_ = ends[0];
  }

  std::vector<Result> take_lines() {
    std::vector<Result> results;
    for (std::size_t line_end = 0; (line_end = input_.find('\n')) != std::string::npos;) {
      std::string line = input_.substr(0, line_end);
      input_.erase(0, line_end + 1);
      if (violations_left_ > 0) {
        std::ranges::replace(line, '\1', '\n');
        pending_.report.violations.push_back(std::move(line));
        if (--violations_left_ == 0) results.push_back(std::exchange(pending_, {}));
      } else if (line.starts_with("S ")) {
        running_ = std::stoull(line.substr(2));
      } else if (auto decoded = decode(line)) {
        running_.reset();
        violations_left_ = decoded->second;
        if (violations_left_ == 0)
          results.push_back(std::move(decoded->first));
        else
          pending_ = std::move(decoded->first);
      }
    }
    return results;
  }

  RunOptions run_;
  std::uint64_t next_;
  std::uint64_t end_;
  std::uint64_t step_;
  int file_ = -1;
  pid_t pid_ = 0;
  std::string input_;
  std::optional<std::uint64_t> running_;
  std::size_t violations_left_ = 0;
  Result pending_;
};

Result run_apart(const RunOptions& run) {
  Worker worker(run, run.seed, run.seed + 1, 1);
  while (!worker.is_done()) {
    for (Result& result : worker.read()) return std::move(result);
  }
  return {};
}

// ---- what is told -----------------------------------------------------------------------------

struct Tally {
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  std::uint64_t cpu_us = 0;
  sim::Micros simulated = 0;
  std::uint64_t requests = 0;
  std::uint64_t fewest_requests = UINT64_MAX;     // of a seed
  sim::Micros shortest = sim::Micros{INT64_MAX};  // likewise
  std::uint64_t committed = 0;
  std::uint64_t leader_changes = 0;
  std::uint64_t reconfigurations = 0;
  std::uint64_t restarts = 0;
  std::uint64_t with_snap = 0;
  std::uint64_t with_trunc = 0;
  std::uint64_t with_diff = 0;
  std::array<std::vector<std::uint64_t>, sim::kFaultKinds> faults;  // of the seeds that had any

  [[nodiscard]] std::uint64_t seeds() const { return passed + failed; }

  void add(const Result& result) {
    const RunReport& report = result.report;
    ++(report.violations.empty() ? passed : failed);
    cpu_us += result.cpu_us;
    simulated += report.simulated;
    requests += report.requests;
    fewest_requests = std::min(fewest_requests, report.requests);
    shortest = std::min(shortest, report.simulated);
    committed += report.committed;
    leader_changes += report.leader_changes;
    reconfigurations += report.reconfigurations;
    restarts += report.counts.restarts;
    with_snap += report.counts.snaps > 0 ? 1 : 0;
    with_trunc += report.counts.truncs > 0 ? 1 : 0;
    with_diff += report.counts.diffs > 0 ? 1 : 0;
    for (std::size_t i = 0; i < sim::kFaultKinds; ++i) {
      if (report.counts.faults[i] > 0) faults[i].push_back(report.counts.faults[i]);
    }
  }
};

void tell_summary(Tally& tally) {
  const double seeds = static_cast<double>(std::max<std::uint64_t>(tally.seeds(), 1));
  const auto share = [&](std::uint64_t count) {
    return 100.0 * static_cast<double>(count) / seeds;
  };
  fmt::print(
      "\nsimulated {:.1f} h in {:.3f} CPU h; {} requests answered, {} transactions committed\n",
      static_cast<double>(tally.simulated) / 3.6e9, static_cast<double>(tally.cpu_us) / 3.6e9,
      tally.requests, tally.committed);
  fmt::print("each seed: at least {} s and {} requests\n", tally.shortest / sim::kSecond,
             tally.fewest_requests);
  fmt::print(
      "{} leaders began to serve, {} servers started, {} memberships took the place of others\n",
      tally.leader_changes, tally.restarts, tally.reconfigurations);
  fmt::print("seeds with SNAP {:.0f} %, TRUNC {:.0f} %, DIFF {:.0f} %\n", share(tally.with_snap),
             share(tally.with_trunc), share(tally.with_diff));
  fmt::print("{:<20} {:>7} {:>7}\n", "fault", "seeds", "median");
  for (std::size_t i = 0; i < sim::kFaultKinds; ++i) {
    std::vector<std::uint64_t>& counts = tally.faults[i];
    std::ranges::sort(counts);
    fmt::print("{:<20} {:>7} {:>7}\n", sim::name_of(static_cast<sim::FaultKind>(i)), counts.size(),
               counts.empty() ? 0 : counts[counts.size() / 2]);
  }
}

std::string joined(const std::vector<std::size_t>& numbers) {
  if (numbers.empty()) return "none";
  std::string text;
  for (const std::size_t number : numbers)
    text += fmt::format("{}{}", text.empty() ? "" : ",", number);
  return text;
}

void tell_failure(const SimOptions& options, RunOptions run, const Result& result) {
  fmt::print("\nseed {} FAILED (synod {})\n", result.seed, server::kVersion);
  for (const std::string& violation : result.report.violations) fmt::print("  {}\n", violation);
  fmt::print("replay: {}\n", replay_command(options, result.seed, options.only));
  run.seed = result.seed;
  const std::vector<sim::Fault> faults = sim::faults_of(run);
  std::vector<std::size_t> all(faults.size());
  std::iota(all.begin(), all.end(), 0U);
  if (run.only) all = *run.only;
  std::size_t runs = 0;
  const std::vector<std::size_t> few = sim::shrink(all, [&](const std::vector<std::size_t>& only) {
    if (++runs > kShrinkRunsMax) return false;
    run.only = only;
    return !run_apart(run).report.violations.empty();
  });
  fmt::print("it fails with {} of its {} faults:\n", few.size(), faults.size());
  for (const std::size_t number : few)
    fmt::print("  #{} {}\n", number, sim::describe(faults[number]));
  fmt::print("replay: {}\n", replay_command(options, result.seed, joined(few)));
}

int trace(RunOptions run) {
  run.trace = [](std::string_view line) { fmt::print("{}\n", line); };
  const RunReport report = sim::run(run);
  fmt::print("trace hash {:016x}\n", report.hash);
  for (const std::string& violation : report.violations) fmt::print("VIOLATION {}\n", violation);
  return report.violations.empty() ? 0 : 1;
}

void run_seeds(const SimOptions& options, const RunOptions& run, Tally& tally,
               std::vector<Result>& failures) {
  std::vector<Worker> workers;
  const std::uint64_t end = options.first_seed + options.seeds;
  const std::uint64_t jobs = std::clamp<std::uint64_t>(options.jobs, 1, options.seeds);
  for (std::uint64_t i = 0; i < jobs; ++i)
    workers.emplace_back(run, options.first_seed + i, end, jobs);
  while (true) {
    std::vector<pollfd> files;
    for (const Worker& worker : workers) files.push_back({worker.file(), POLLIN, 0});
    if (std::ranges::all_of(workers, &Worker::is_done)) return;
    if (poll(files.data(), files.size(), -1) < 0) return;
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if ((files[i].revents & (POLLIN | POLLHUP)) == 0) continue;
      for (Result& result : workers[i].read()) {
        tally.add(result);
        if (options.is_verbose) {
          fmt::print("seed {} {} hash {:016x} requests {} leaders {}\n", result.seed,
                     result.report.violations.empty() ? "passed" : "FAILED", result.report.hash,
                     result.report.requests, result.report.leader_changes);
        }
        if (!result.report.violations.empty()) failures.push_back(std::move(result));
      }
    }
    if (isatty(STDERR_FILENO) != 0)
      fmt::print(stderr, "\r{} of {} seeds, {} failed ", tally.seeds(), options.seeds,
                 tally.failed);
  }
}

}  // namespace

int sim(const SimOptions& given) {
  SimOptions options = given;
  const bool is_few = !options.scenarios.empty() || !options.report.empty();
  if (options.seeds == 0) options.seeds = is_few ? 20 : 100;
  if (!options.report.empty() && options.seeds < kReportSeedsMin) {
    fmt::print(stderr, "a report wants {} seeds at least\n", kReportSeedsMin);
    return kBadUse;
  }
  if (!options.scenarios.empty())
    return compare({.scenarios = options.scenarios,
                    .engine = options.engine,
                    .seeds = options.seeds,
                    .first_seed = options.first_seed,
                    .report = options.report});
  if (options.engine.empty()) options.engine = "zab";
  const auto run = run_options(options);
  if (!run) return kBadUse;
  if (!options.report.empty())
    return report_runs({.run = *run,
                        .seeds = options.seeds,
                        .file = options.report,
                        .command = report_command(options)});
  if (options.is_traced) return trace(*run);
  Tally tally;
  std::vector<Result> failures;
  run_seeds(options, *run, tally, failures);
  constexpr std::size_t kShrunk = 3;  // failures; the others are told as they are
  for (std::size_t i = 0; i < failures.size(); ++i) {
    if (i < kShrunk) {
      tell_failure(options, *run, failures[i]);
      continue;
    }
    fmt::print("\nseed {} FAILED: {}\nreplay: {}\n", failures[i].seed,
               failures[i].report.violations.front(),
               replay_command(options, failures[i].seed, options.only));
  }
  tell_summary(tally);
  fmt::print("{} passed, {} failed\n", tally.passed, tally.failed);
  return tally.failed == 0 ? 0 : 1;
}

}  // namespace synod::cli
