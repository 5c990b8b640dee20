# In: terraform show -json of a plan. Out: what may be known of it outside of the account: no values.
# An address counts as referred to if an attribute's expression names it, directly or through variables, outputs and
# data sources; locals are not in Terraform's JSON, so what goes through them stays unexplained.

def unindexed: gsub("\\[(\"(\\\\.|[^\"\\\\])*\"|[0-9]+)\\]"; "");
def module_names: (. // "") | unindexed | split(".") | [.[range(1; length; 2)]];
def some: [.. | booleans] | any;

. as $plan
| def module_at($names): reduce $names[] as $n ($plan.configuration.root_module; .module_calls[$n].module?);
  def resource_at($names; $address): module_at($names) | [.resources[]? | select(.address == $address)] | first;

  # The instances of the resource that `base` names in the module `names`, nearest to the module instance `own`.
  def instances($names; $base; $index; $own):
    ((if ($names | length) > 0 then ($names | map("module." + .) | join(".")) + "." else "" end) + $base) as $config
    | [$plan.resource_changes[]? | select(.mode == "managed" and (.address | unindexed) == $config
        and ($index == "" or (.address | endswith($index))))] as $all
    | [$all[] | ((.module_address // "") + ".") as $m | select($m == "." or $own == "" or ($own + "." | startswith($m)) or ($m | startswith($own + ".")))] as $near
    | if ($all | length) == 0 then [$config + $index] elif ($near | length) > 0 then [$near[].address] else [$all[].address] end;

  def addresses($refs; $names; $own; $depth):
    if $depth == 0 then [] else
      [ $refs[] as $ref
        | if ($ref | startswith("var.")) then
            ($ref | split(".")[1] | unindexed) as $v
            | if ($names | length) == 0 then empty else
                module_at($names[:-1]) as $parent
                | addresses([$parent.module_calls[$names[-1]].expressions[$v]? | .. | .references? // empty | .[]]; $names[:-1]; $own; $depth - 1)[]
              end
          elif ($ref | startswith("module.")) then
            ($ref | unindexed | split(".")) as $p
            | if ($p | length) < 3 then empty else
                addresses([module_at($names + [$p[1]]).outputs[$p[2]]?.expression | .. | .references? // empty | .[]]; $names + [$p[1]]; $own; $depth - 1)[]
              end
          elif ($ref | startswith("data.")) then
            ($ref | unindexed | split(".")[0:3] | join(".")) as $d
            | addresses([resource_at($names; $d).expressions? | .. | .references? // empty | .[]]; $names; $own; $depth - 1)[]
          elif ($ref | test("^(local|each|count|path|terraform|self)\\.")) then empty
          else
            ($ref | capture("^(?<base>[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+)(?<index>\\[(\"(\\\\.|[^\"\\\\])*\"|[0-9]+)\\])?")) as $r
            # Terraform lists x.y[0] and x.y for one expression: the more exact one counts.
            | if $r.index == null and any($refs[]; startswith($r.base + "[")) then empty
              else instances($names; $r.base; $r.index // ""; $own)[] end
          end
      ] | unique
    end;

  def expressions: resource_at(.module_address | module_names; (.type + "." + .name)).expressions // {};

  # An attribute that only the provider fills in and that is not known yet follows from the others: it is no difference of its own.
  def attributes($set):
    (.change.before // {}) as $b | (.change.after // {}) as $a | (.change.after_unknown // {}) as $u
    | [($b, $a | keys_unsorted[]), ($u | select(type == "object") | to_entries[] | select(.value | some) | .key)] | unique
    | map(. as $k | select(if ($u[$k]? // false) | some then $set | has($k) else $b[$k] != $a[$k] end));

  def identity:
    .change as $c
    | reduce ("id", "arn", "name", "bucket", "function_name", "function_arn", "instance_id", "table_name",
              "db_instance_identifier", "identifier", "key_id") as $k ({};
        ($c.before[$k]? // $c.after[$k]?) as $v
        | if ($v | type) == "string" and (($c.before_sensitive[$k]? // $c.after_sensitive[$k]? // false) != true) then .[$k] = $v else . end);

  def path_text: reduce .[] as $p (""; if ($p | type) == "number" then . + "[\($p)]" elif . == "" then $p else . + "." + $p end);

  {
    version: 1,
    workspace: $workspace,
    build: $build,
    incident: $incident,
    attempt: $attempt,
    sourceVersion: $sourceVersion,
    terraformVersion: .terraform_version,
    targets: $targets,
    tarSha256: $tarSha256,
    changeDigestKeyed: $changeDigestKeyed,
    drift: [.resource_drift[]? | select(.mode == "managed") | {address, type, actions: .change.actions}],
    # Serial and time of the state, and the serial that the last build of ours left.
    state: $state[0],
    # What the plan leaves alone: declared, and as it should be.
    unchanged: [.resource_changes[]? | select(.mode == "managed" and .change.actions == ["no-op"]) | .address],
    restore: (if $restore == null then null
      else $restore + {declared: (.configuration.root_module.variables // {} | has("reforge_restore_time") or has("reforge_restore_snapshot"))} end),
    undoInstead: $undoInstead,
    undo: $undo,
    changes: ((if $undoInstead then [] else [
      [.resource_changes[]? | select(.mode == "managed" and .change.actions != ["no-op"] and .change.actions != ["read"])]
      | to_entries[] | .key as $i | .value
      | expressions as $set | (.module_address // "") as $own | (.module_address | module_names) as $names
      | attributes($set) as $attributes
      | {
          address, type, mode,
          actions: .change.actions,
          attributes: $attributes,
          replacePaths: [.change.replace_paths[]? | path_text],
          identity: identity,
          references: (reduce $attributes[] as $k ({};
            addresses([$set[$k]? | .. | .references? // empty | .[]]; $names; $own; 8) as $to
            | if ($to | length) > 0 then .[$k] = $to else . end)),
          valueHash: $hashes[0][$i]
        }
    ] end) + [$undo[] | {address, type: "undo", mode: "managed", actions: [.verb], attributes: [], replacePaths: [], identity: {id}, references: {}, valueHash}]),
    outputs: [.output_changes // {} | to_entries[] | select(.value.actions != ["no-op"]) | .key]
  }
