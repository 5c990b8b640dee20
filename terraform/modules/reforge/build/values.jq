# In: terraform show -json of a plan. Out: one line for each change of summary.jq, in its order, with the values before
# and after. Only ever hashed.
.resource_changes[]?
| select(.mode == "managed" and .change.actions != ["no-op"] and .change.actions != ["read"])
| [.address, .deposed, .change.actions, .change.before, .change.after, .change.after_unknown]
