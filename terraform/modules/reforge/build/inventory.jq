# In: terraform show -json of a state. Out: what the workspace owns, by the attributes that identify it and no others.
def resources: .resources[]?, (.child_modules[]? | resources);
def text($v): if ($v | type) == "string" then $v else null end;
{
  version: 1,
  workspace: $workspace,
  accountId: $account,
  region: $region,
  backend: {bucket: $bucket, key: $key},
  serial: $head[0].serial,
  lineage: $head[0].lineage,
  sourceVersion: $sourceVersion,
  build: $build,
  publishedAt: $publishedAt,
  resources: [
    .values.root_module // {} | resources | select(.mode == "managed")
    | .values as $v | (.sensitive_values // {}) as $hidden
    | {
        address, type, id: text($v.id), arn: text($v.arn), name: text($v.name),
        attributes: (reduce ("id", "arn", "name", "bucket", "function_name", "function_arn", "instance_id", "table_name",
                             "db_instance_identifier", "identifier", "url", "key_id", "role") as $k ({};
          if ($v[$k]? | type) == "string" and $hidden[$k]? != true then .[$k] = $v[$k] else . end))
      }
  ]
}
