#!/bin/bash
# fuzz.sh <seconds> [target]: runs the built fuzz targets, as many at a time as there are processors,
# and prints executions and crashes of each. Inputs found along the way gather in build/fuzz/corpus;
# what crashed a target lies in build/fuzz/artifacts, and the target run on that file replays it.
set -euo pipefail
cd "$(dirname "$0")/.."

run_one() {
  local seconds=$1 target=$2
  local found=build/fuzz/corpus/$target artifacts=build/fuzz/artifacts/$target log=build/fuzz/$target.log
  local options=(-max_total_time="$seconds" -seed="${SYNOD_SEED:-1}" -timeout=10 -rss_limit_mb=2048
    -artifact_prefix="$artifacts/" -print_final_stats=1)
  mkdir -p "$found" "$artifacts"
  [[ ! -f fuzz/$target.dict ]] || options+=(-dict="fuzz/$target.dict")
  local seeds=()
  [[ ! -d fuzz/corpus/$target ]] || seeds=("fuzz/corpus/$target")

  local status=0 verdict="0 crashes"
  "build/fuzz/fuzz/$target" "${options[@]}" "$found" "${seeds[@]}" >"$log" 2>&1 || status=$?
  [[ $status -eq 0 ]] || verdict="CRASHED, replay: build/fuzz/fuzz/$target $(ls -t "$artifacts"/* | head -n 1)"
  printf '%-24s %12s executions, %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$verdict"
  [[ $status -eq 0 ]] || tail -n 40 "$log"
  return "$status"
}
export -f run_one

targets=()
for binary in build/fuzz/fuzz/*; do
  target=$(basename "$binary")
  if [[ -f fuzz/$target.cc && -x $binary && ( -z ${2:-} || ${2:-} == "$target" ) ]]; then targets+=("$target"); fi
done
[[ ${#targets[@]} -gt 0 ]] || { echo "no fuzz target${2:+ named $2}"; exit 0; }
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c "run_one $1 {}"
