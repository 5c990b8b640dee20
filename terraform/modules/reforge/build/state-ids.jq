# In: terraform state pull. Out: address, type and id of every instance in it.
def index: if .index_key == null then "" elif (.index_key | type) == "number" then "[\(.index_key)]" else "[\(.index_key | tojson)]" end;
[
  .resources[]? | select(.mode == "managed") | . as $r
  | .instances[]? | select(.attributes.id | type == "string")
  | {address: ((if $r.module then $r.module + "." else "" end) + $r.type + "." + $r.name + index), type: $r.type, id: .attributes.id}
]
