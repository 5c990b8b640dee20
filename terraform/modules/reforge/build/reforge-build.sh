#!/usr/bin/env bash
# One script for both builds of a workspace. Plan mode publishes a saved plan with everything that it needs, a summary
# of it without values, and an inventory of the state; apply mode applies exactly such a plan, once.
#
# The project fixes REFORGE_MODE, REFORGE_WORKSPACE, REFORGE_BUCKET, REFORGE_STATE_BUCKET, REFORGE_STATE_KEY,
# REFORGE_STATE_REGION, REFORGE_ROOT, REFORGE_WORKDIR. StartBuild gives REFORGE_INCIDENT, REFORGE_ATTEMPT; for a plan
# REFORGE_TARGETS, REFORGE_UNDO and REFORGE_RESTORE; for an apply REFORGE_PLAN_BUILD and REFORGE_PLAN_DIGEST.
#
# A build that fails names its reason in the last line of its log, in REFORGE_ERROR_FILE if that is set, and with what
# Terraform said last in failures/<workspace>/<build>.json. A state lock is waited for, never broken, and never gone around.
set -euo pipefail
# As where the owner applies by hand: modes go into the archives that a root module makes, and so into their hashes. What is
# not for others is in folders that only the build's own user can enter.
umask 022

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
stage=InitFailed
reason=""
child=""
interrupted=""

finish() {
  local code=$?
  trap - EXIT
  if [ "$code" -ne 0 ]; then
    reason=${reason:-$stage}
    if [ -n "${REFORGE_ERROR_FILE:-}" ]; then printf '%s' "$reason" >"$REFORGE_ERROR_FILE"; fi
    publish_failure || true
    echo "REFORGE_ERROR=$reason"
  fi
  rm -rf "$scratch"
  exit "$code"
}
trap finish EXIT

# What Terraform said last, for people: its errors without the frame around them, two KiB at most; and who holds the lock
# that was met. Terraform writes no sensitive value into a message.
publish_failure() {
  local log
  [ -n "${build:-}" ] && [ -n "${REFORGE_BUCKET:-}" ] || return 0
  log=$(ls -t "$scratch"/*.log 2>/dev/null | head -n 1)
  if [ -n "$log" ]; then
    sed -n '/Error/,$p' "$log" | sed -e 's/^[│╷╵ ]*//' -e '/^$/d' | head -c 2048 | iconv -c -t UTF-8 >"$scratch/said" 2>/dev/null || true
  fi
  touch "$scratch/said" "$scratch/lock"
  jq -nc --arg reason "$reason" --rawfile said "$scratch/said" --rawfile lock "$scratch/lock" \
    '{reason: $reason, said: $said, lock: (if $lock == "" then null else $lock | fromjson end)}' >"$scratch/failure.json"
  put "$scratch/failure.json" "failures/$REFORGE_WORKSPACE/$build.json"
}

# fail REASON CODE MESSAGE
fail() {
  reason=$1
  echo "reforge: $3" >&2
  exit "$2"
}

# Terraform runs in a process group of its own and gets one TERM at most: it then stops at the next safe point and lets
# go of the state lock. A second signal would make it leave at once, lock and all.
interrupt() {
  if [ -n "$interrupted" ]; then return; fi
  interrupted=yes
  if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null || true; fi
}
trap interrupt TERM INT

# run LOG COMMAND...: shows the output as it comes and keeps it in LOG. Terraform writes to the file, not into a pipe,
# so that it can finish even if what shows the log has been stopped.
run() {
  local log=$1 code=0 follower
  shift
  if [ -n "$interrupted" ]; then return 143; fi
  : >"$log"
  set -m
  "$@" >"$log" 2>&1 9>&- &
  child=$!
  set +m
  tail -n +1 -s 0.1 --pid="$child" -f "$log" 9>&- &
  follower=$!
  if [ -n "$interrupted" ]; then kill -TERM "$child" 2>/dev/null || true; fi
  while :; do
    code=0
    wait "$child" || code=$?
    # A wait that a signal ended says nothing about Terraform's end.
    kill -0 "$child" 2>/dev/null || break
  done
  child=""
  wait "$follower" 2>/dev/null || true
  if [ -n "$interrupted" ] && [ "$code" -eq 0 ]; then return 143; fi
  return "$code"
}

tf() {
  local log=$1
  shift
  run "$log" terraform "$@"
}

# failed_as REASON LOG: ends the build with what the log says.
failed_as() {
  if grep -q 'Error acquiring the state lock' "$2"; then
    lock_info "$2" >"$scratch/lock"
    fail StateLocked 45 "the state of $REFORGE_WORKSPACE is locked by the operation shown above; it is left alone"
  fi
  if grep -q 'Saved plan is stale' "$2"; then
    fail StalePlan 44 "the state has changed since the plan was made; plan again"
  fi
  if grep -Eq 'Throttling|Rate exceeded|RequestLimitExceeded|TooManyRequests|SlowDown' "$2"; then
    fail Throttled 46 "AWS throttled Terraform; its message is above"
  fi
  fail "$1" 1 "Terraform failed; its message is above"
}

# Terraform's "Lock Info" as JSON.
lock_info() {
  sed -e 's/^[│ ]*//' "$1" | jq -Rnc '
    [inputs | capture("^(?<key>ID|Operation|Who|Created): +(?<value>.*)$")] | map({(.key | ascii_downcase): .value}) | add // {}'
}

# An emulated AWS has one host for all buckets, and is not behind the proxy that Terraform may need for it.
if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
  printf '[default]\ns3 =\n  addressing_style = path\n' >"$scratch/aws-config"
  aws() { AWS_CONFIG_FILE=$scratch/aws-config NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1 command aws "$@"; }
fi

put() { aws s3 cp --only-show-errors "$1" "s3://$REFORGE_BUCKET/$2"; }
get() { aws s3 cp --only-show-errors "s3://$REFORGE_BUCKET/$1" "$2"; }
put_once() { aws s3api put-object --bucket "$REFORGE_BUCKET" --key "$2" --body "$1" --if-none-match '*' >/dev/null; }

sha256() { sha256sum "$1" | cut -d' ' -f1; }

: "${REFORGE_MODE:?}" "${REFORGE_WORKSPACE:?}" "${REFORGE_BUCKET:?}" "${REFORGE_STATE_BUCKET:?}" "${REFORGE_STATE_KEY:?}"
: "${REFORGE_STATE_REGION:?}" "${REFORGE_ROOT:?}" "${CODEBUILD_BUILD_ID:?}"
REFORGE_WORKDIR=${REFORGE_WORKDIR:-/tmp/reforge/$REFORGE_WORKSPACE}
build=${CODEBUILD_BUILD_ID##*:}
incident=${REFORGE_INCIDENT:-}
attempt=${REFORGE_ATTEMPT:-0}
lock_timeout=${REFORGE_LOCK_TIMEOUT:-60s}
source_version=${CODEBUILD_RESOLVED_SOURCE_VERSION:-}
source=${CODEBUILD_SOURCE_REPO_URL:-}
export TF_IN_AUTOMATION=1 TF_INPUT=0 CHECKPOINT_DISABLE=1

case $REFORGE_WORKDIR in
  /*/*) ;;
  *) fail "$stage" 1 "REFORGE_WORKDIR is $REFORGE_WORKDIR; it is emptied by each build, so it must be an absolute folder below another" ;;
esac
case /$REFORGE_ROOT/ in
  //* | */../*) fail "$stage" 1 "REFORGE_ROOT is $REFORGE_ROOT; it must be a folder inside the source" ;;
esac
[[ $attempt =~ ^[0-9]{1,6}$ ]] || fail "$stage" 1 "REFORGE_ATTEMPT is not a number"

# Where builds share a machine they would share the folder too: they go one after another.
mkdir -p "$(dirname "$REFORGE_WORKDIR")"
exec 9>"$REFORGE_WORKDIR.lock"
flock 9

empty_workdir() {
  rm -rf "$REFORGE_WORKDIR"
  mkdir -p -m 0700 "$REFORGE_WORKDIR"
}

# CodeBuild resolves commits. For a source in S3 it says no version (CodeBuild User Guide, "Environment variables in build
# environments") but the one that it was asked for. The object's present version is the one that it downloaded if that is
# older than the build; else it is not known which one was, and none is said.
find_source_version() {
  local modified
  case $source_version${CODEBUILD_SOURCE_VERSION:-} in
    '' | arn:*) ;;
    *)
      source_version=${source_version:-$CODEBUILD_SOURCE_VERSION}
      return 0
      ;;
  esac
  [[ $source == s3://*/* ]] || return 0
  source=${source#s3://}
  aws s3api head-object --bucket "${source%%/*}" --key "${source#*/}" --output json >"$scratch/source.json" 2>/dev/null || return 0
  modified=$(date -u -d "$(jq -r '.LastModified' "$scratch/source.json")" +%s) || return 0
  if [ "$modified" -lt "$((${CODEBUILD_START_TIME:-0} / 1000))" ]; then
    source_version=$(jq -r '.VersionId // "" | if . == "null" then "" else . end' "$scratch/source.json")
  fi
}

# The addresses come from an inventory or a plan; they become arguments, never shell text.
read_targets() {
  local address
  targets='[]'
  target_args=()
  [ -n "${REFORGE_TARGETS:-}" ] || return 0
  targets=$(jq -ce 'if type == "array" and all(.[]; type == "string" and test("^[A-Za-z_][^\\n\\r]*$")) then . else error("no list of addresses") end' <<<"$REFORGE_TARGETS") ||
    fail "$stage" 1 "REFORGE_TARGETS is not a JSON list of Terraform addresses"
  while IFS= read -r address; do
    target_args+=("-target=$address")
  done < <(jq -r '.[]' <<<"$targets")
}

# What Terraform can't mend: an undo verb, chosen by the operator's catalogue, for addresses of the state. StartInstances
# comes after the apply of a plan that has nothing to do for it; RestoreSecret and CancelKeyDeletion take the place of
# an apply, which would make another secret or key. Each is a change of the plan like any other, and judged as one.
read_undo() {
  undo='[]' undo_verb="" undo_instead=false
  [ -n "${REFORGE_UNDO:-}" ] || return 0
  undo_verb=$(jq -re '.verb' <<<"$REFORGE_UNDO") || fail "$stage" 1 "REFORGE_UNDO is no JSON object with a verb"
  case $undo_verb in
    StartInstances) ;;
    RestoreSecret | CancelKeyDeletion) undo_instead=true ;;
    *) fail "$stage" 1 "REFORGE_UNDO asks for $undo_verb, which is none of the undo verbs" ;;
  esac
  jq -e '.addresses | type == "array" and all(.[]; type == "string")' <<<"$REFORGE_UNDO" >/dev/null ||
    fail "$stage" 1 "REFORGE_UNDO has no list of addresses"
}

# The ids are those of the state, never of an event. What does not need the verb, by AWS's word, is left out.
find_undo() {
  [ -n "$undo_verb" ] || return 0
  local address id list='[]'
  terraform state pull 9>&- | jq -c -f "$tools/state-ids.jq" >"$scratch/ids.json"
  while IFS=$'\t' read -r address id; do
    needs_undo "$id" || continue
    list=$(jq -c --arg address "$address" --arg id "$id" --arg verb "$undo_verb" --arg hash "$(keyed_hash <<<"$undo_verb $id")" \
      '. + [{address: $address, id: $id, verb: $verb, valueHash: $hash}]' <<<"$list")
  done < <(jq -r --argjson wanted "$(jq -c '.addresses' <<<"$REFORGE_UNDO")" \
    --arg type "$(undo_type)" '.[] | select(.type == $type and (.address as $a | $wanted | index($a))) | [.address, .id] | @tsv' "$scratch/ids.json")
  undo=$list
}

undo_type() {
  case $undo_verb in
    StartInstances) echo aws_instance ;;
    RestoreSecret) echo aws_secretsmanager_secret ;;
    CancelKeyDeletion) echo aws_kms_key ;;
  esac
}

needs_undo() {
  case $undo_verb in
    StartInstances) [ "$(aws ec2 describe-instances --instance-ids "$1" --query 'Reservations[0].Instances[0].State.Name' --output text)" = stopped ] ;;
    RestoreSecret) [ "$(aws secretsmanager describe-secret --secret-id "$1" --query 'DeletedDate' --output text)" != None ] ;;
    CancelKeyDeletion) [ "$(aws kms describe-key --key-id "$1" --query 'KeyMetadata.KeyState' --output text)" = PendingDeletion ] ;;
  esac
}

# One that fails is no reason to leave the others out, and none to call it done. No `set -e` holds in a function whose
# outcome is asked for.
carry_out_undo() {
  local verb id code=0
  while IFS=$'\t' read -r verb id; do
    case $verb in
      StartInstances) aws ec2 start-instances --instance-ids "$id" && aws ec2 wait instance-running --instance-ids "$id" ;;
      RestoreSecret) aws secretsmanager restore-secret --secret-id "$id" ;;
      CancelKeyDeletion) aws kms cancel-key-deletion --key-id "$id" && aws kms enable-key --key-id "$id" ;;
      *) fail ApplyFailed 1 "the plan asks for $verb, which is none of the undo verbs" ;;
    esac || code=1
  done < <(jq -r '.undo[]? | [.verb, .id] | @tsv' "$scratch/summary.json")
  return "$code"
}

# Where data can come back from. A root module that declares these variables uses them; Terraform ignores them elsewhere.
offer_restore() {
  local time snapshot
  restore=${1:-null}
  time=$(jq -r '.time // empty' <<<"$restore") && snapshot=$(jq -r '.snapshot // empty' <<<"$restore") ||
    fail "$stage" 1 "REFORGE_RESTORE is no JSON object"
  [[ $time =~ ^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$ ]] || fail "$stage" 1 "REFORGE_RESTORE has a time that is none"
  [[ $snapshot =~ ^[A-Za-z0-9:/_.-]{0,255}$ ]] || fail "$stage" 1 "REFORGE_RESTORE has a snapshot that is none"
  if [ -n "$time" ]; then export TF_VAR_reforge_restore_time=$time; fi
  if [ -n "$snapshot" ]; then export TF_VAR_reforge_restore_snapshot=$snapshot; fi
}

# A project without a lock file gets the newest providers that its constraints allow; one with a lock file gets those.
init() {
  local backend=(
    -backend-config="bucket=$REFORGE_STATE_BUCKET" -backend-config="key=$REFORGE_STATE_KEY"
    -backend-config="region=$REFORGE_STATE_REGION" -backend-config=use_lockfile=true
  )
  if [ -n "${REFORGE_LOCK_TABLE:-}" ]; then backend+=(-backend-config="dynamodb_table=$REFORGE_LOCK_TABLE"); fi
  if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
    backend+=(-backend-config=use_path_style=true)
    backend+=(-backend-config=skip_metadata_api_check=true -backend-config=skip_region_validation=true)
  fi
  if [ -f .terraform.lock.hcl ]; then backend+=(-lockfile=readonly); fi
  tf "$scratch/init.log" init -input=false -no-color -reconfigure "${backend[@]}" || fail InitFailed 1 "terraform init failed; its message is above"
}

# The key of the value hashes is made by the first plan build and never leaves the bucket and its builds.
fetch_key() {
  get keys/value-hash "$scratch/key" 2>/dev/null && return 0
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$scratch/new-key"
  put_once "$scratch/new-key" keys/value-hash 2>/dev/null || true
  get keys/value-hash "$scratch/key"
}

# Reads text, prints its keyed hash. The key is hashed in twice, as in HMAC, and is never an argument of a process.
keyed_hash() {
  local inner
  inner=$({ cat "$scratch/key"; cat; } | sha256sum | cut -d' ' -f1)
  { cat "$scratch/key"; printf '%s' "$inner"; } | sha256sum | cut -d' ' -f1
}

# The state as it is, and as the last build of ours left it: somebody else who applied since moved its serial on.
read_serial() {
  local modified
  terraform state pull 9>&- | jq -c '{serial, lineage}' >"$scratch/serial.json"
  get "inventory/$REFORGE_WORKSPACE.json" "$scratch/known.json" 2>/dev/null || echo '{}' >"$scratch/known.json"
  modified=$(aws s3api head-object --bucket "$REFORGE_STATE_BUCKET" --key "$REFORGE_STATE_KEY" --query LastModified --output text 2>/dev/null) || modified=""
  if [ -n "$modified" ]; then modified=$(date -u -d "$modified" +%Y-%m-%dT%H:%M:%SZ); fi
  jq -c --arg modified "$modified" --slurpfile known "$scratch/known.json" \
    '{serial, known: $known[0].serial, modified: (if $modified == "" then null else $modified end)}' "$scratch/serial.json" >"$scratch/state-ref.json"
}

publish_inventory() {
  local account
  account=$(aws sts get-caller-identity --query Account --output text)
  terraform state pull 9>&- | jq -c '{serial, lineage}' >"$scratch/serial.json"
  terraform show -json 9>&- >"$scratch/state.json"
  jq -c -f "$tools/inventory.jq" \
    --arg workspace "$REFORGE_WORKSPACE" --arg account "$account" --arg region "${AWS_REGION:-$REFORGE_STATE_REGION}" \
    --arg bucket "$REFORGE_STATE_BUCKET" --arg key "$REFORGE_STATE_KEY" --arg sourceVersion "$source_version" \
    --arg build "$build" --arg publishedAt "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --slurpfile head "$scratch/serial.json" \
    "$scratch/state.json" >"$scratch/inventory.json"
  put "$scratch/inventory.json" "inventory/$REFORGE_WORKSPACE.json"
}

plan() {
  : "${CODEBUILD_SRC_DIR:?}"
  read_targets
  read_undo
  offer_restore "${REFORGE_RESTORE:-}"
  empty_workdir
  find_source_version
  cp -Rp "$CODEBUILD_SRC_DIR/." "$REFORGE_WORKDIR/"
  chmod 0700 "$REFORGE_WORKDIR"
  rm -rf "$REFORGE_WORKDIR/.git"
  cd "$REFORGE_WORKDIR/$REFORGE_ROOT"
  rm -rf .terraform plan.bin
  if [ -f reforge-prebuild.sh ]; then
    run "$scratch/prebuild.log" bash ./reforge-prebuild.sh || fail InitFailed 1 "reforge-prebuild.sh failed; its message is above"
  fi
  init

  stage=PlanFailed
  tf "$scratch/plan.log" plan -input=false -no-color -lock-timeout="$lock_timeout" -out=plan.bin "${target_args[@]}" ||
    failed_as PlanFailed "$scratch/plan.log"
  terraform show -json plan.bin 9>&- >"$scratch/plan.json"
  read_serial
  fetch_key
  find_undo
  jq -cS -f "$tools/values.jq" "$scratch/plan.json" >"$scratch/values"
  while IFS= read -r line; do keyed_hash <<<"$line"; done <"$scratch/values" | jq -Rnc '[inputs]' >"$scratch/hashes.json"
  tar -C "$REFORGE_WORKDIR" -cf "$scratch/plan.tar" .
  jq -f "$tools/summary.jq" \
    --arg workspace "$REFORGE_WORKSPACE" --arg build "$build" --arg incident "$incident" --argjson attempt "$attempt" \
    --arg sourceVersion "$source_version" --argjson targets "$targets" --arg tarSha256 "$(sha256 "$scratch/plan.tar")" \
    --arg changeDigestKeyed "$(keyed_hash <"$scratch/values")" --slurpfile hashes "$scratch/hashes.json" \
    --slurpfile state "$scratch/state-ref.json" --argjson undo "$undo" --argjson undoInstead "$undo_instead" --argjson restore "$restore" \
    "$scratch/plan.json" >"$scratch/summary.json"
  put "$scratch/plan.tar" "plans/$REFORGE_WORKSPACE/$build/plan.tar"
  put "$scratch/summary.json" "plans/$REFORGE_WORKSPACE/$build/summary.json"
  publish_inventory
  echo "reforge: plan $(sha256 "$scratch/summary.json") with $(jq '.changes | length' "$scratch/summary.json") changes"
}

# What is left to do is asked of a plan made now; when that can't be made, everything counts as left.
look_again() {
  local code=0
  tf "$scratch/after.log" plan -input=false -no-color -lock-timeout="$lock_timeout" -detailed-exitcode -out="$scratch/after.bin" || code=$?
  case $code in
    0) empty_after=true remaining='[]' ;;
    2)
      empty_after=false
      remaining=$(terraform show -json "$scratch/after.bin" 9>&- |
        jq -c '[.resource_changes[]? | select(.mode == "managed" and .change.actions != ["no-op"]) | .address]')
      ;;
    *) empty_after=false remaining=$(jq -c '[.changes[].address]' "$scratch/summary.json") ;;
  esac
}

publish_result() {
  terraform show -json 9>&- >"$scratch/state.json"
  jq -c -f "$tools/result.jq" \
    --arg workspace "$REFORGE_WORKSPACE" --arg incident "$incident" --arg digest "$REFORGE_PLAN_DIGEST" \
    --argjson applied "$1" --argjson emptyAfter "$empty_after" --argjson remaining "$remaining" \
    --slurpfile summary "$scratch/summary.json" "$scratch/state.json" >"$scratch/result.json"
  put "$scratch/result.json" "results/$REFORGE_WORKSPACE/$build.json"
}

claim() {
  jq -nc --arg build "$build" --arg incident "$incident" '{build: $build, incident: $incident}' >"$scratch/claim"
  put_once "$scratch/claim" "claims/$REFORGE_WORKSPACE/$REFORGE_PLAN_DIGEST" 2>"$scratch/claim.log" && return 0
  cat "$scratch/claim.log" >&2
  if grep -Eq 'PreconditionFailed|ConditionalRequestConflict|\(412\)|\(409\)' "$scratch/claim.log"; then
    fail AlreadyClaimed 43 "another build has taken this plan"
  fi
  fail ApplyFailed 1 "the plan could not be claimed"
}

apply() {
  local from code=0 applied=true
  stage=ApplyFailed
  [[ ${REFORGE_PLAN_DIGEST:-} =~ ^[0-9a-f]{64}$ ]] || fail DigestMismatch 42 "REFORGE_PLAN_DIGEST is not a SHA-256"
  [[ ${REFORGE_PLAN_BUILD:-} =~ ^[0-9A-Za-z-]{1,64}$ ]] || fail DigestMismatch 42 "REFORGE_PLAN_BUILD is not the id of a build"
  from=plans/$REFORGE_WORKSPACE/$REFORGE_PLAN_BUILD
  get "$from/summary.json" "$scratch/summary.json"
  [ "$(sha256 "$scratch/summary.json")" = "$REFORGE_PLAN_DIGEST" ] || fail DigestMismatch 42 "the summary is not the one that was judged"
  get "$from/plan.tar" "$scratch/plan.tar"
  [ "$(sha256 "$scratch/plan.tar")" = "$(jq -r .tarSha256 "$scratch/summary.json")" ] || fail DigestMismatch 42 "the plan is not the one that was judged"
  [ "$(jq -r .workspace "$scratch/summary.json")" = "$REFORGE_WORKSPACE" ] || fail DigestMismatch 42 "the plan is of another workspace"
  source_version=$(jq -r .sourceVersion "$scratch/summary.json")
  offer_restore "$(jq -c .restore "$scratch/summary.json")"
  claim

  empty_workdir
  tar -C "$REFORGE_WORKDIR" --no-same-owner -xf "$scratch/plan.tar"
  chmod 0700 "$REFORGE_WORKDIR"
  cd "$REFORGE_WORKDIR/$REFORGE_ROOT"
  if [ "$(jq .undoInstead "$scratch/summary.json")" != true ]; then
    tf "$scratch/apply.log" apply -input=false -no-color -lock-timeout="$lock_timeout" plan.bin || code=$?
  fi
  if [ "$code" -ne 0 ]; then
    # Nothing was done where the plan was stale or the state locked.
    if grep -Eq 'Saved plan is stale|Error acquiring the state lock' "$scratch/apply.log"; then failed_as ApplyFailed "$scratch/apply.log"; fi
    applied=false
  else
    carry_out_undo || applied=false
  fi
  # An apply that failed half-way has changed things all the same: what is so now is published in either case.
  look_again
  publish_result "$applied"
  publish_inventory
  if [ "$applied" != true ]; then
    echo "reforge: what is left to do is $remaining" >&2
    failed_as ApplyFailed "$scratch/apply.log"
  fi
}

case $REFORGE_MODE in
  plan) plan ;;
  apply) apply ;;
  *) fail "$stage" 1 "REFORGE_MODE is $REFORGE_MODE; it must be plan or apply" ;;
esac
