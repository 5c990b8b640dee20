# In: terraform show -json of the state after an apply. Out: what became of the plan's changes.
def resources: .resources[]?, (.child_modules[]? | resources);
([$summary[0].changes[] | select(.actions != ["delete"]) | .address]) as $changed
| {
    version: 1,
    workspace: $workspace,
    incident: $incident,
    digest: $digest,
    applied: $applied,
    emptyAfter: $emptyAfter,
    remaining: $remaining,
    resources: [
      .values.root_module // {} | resources | select(.mode == "managed" and (.address as $a | $changed | index($a)))
      | {address, type, id: .values.id, arn: .values.arn}
    ]
  }
