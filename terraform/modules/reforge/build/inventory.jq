# In: terraform show -json of a state. Out: what the workspace owns, by the attributes that identify it and no others:
# those that the operator's catalogue names, which a test compares.
def identifying: [
  "alarm_name", "allocation_id", "analyzer_name", "api_id", "app_id", "arn", "autoscaling_group_name",
  "backup_vault_name", "baseline_id", "bucket", "certificate_arn", "client_vpn_endpoint_id", "cluster_arn",
  "cluster_id", "cluster_identifier", "cluster_name", "config_rule_name", "dashboard_name", "database_name",
  "db_cluster_identifier", "db_cluster_snapshot_identifier", "db_instance_identifier", "db_proxy_name",
  "db_snapshot_identifier", "detector_id", "dhcp_options_id", "directory_id", "distribution_id", "domain_name",
  "elb", "event_bus_name", "file_system_id", "firewall_arn", "function_arn", "function_name",
  "global_cluster_identifier", "group", "hosted_zone_id", "id", "identifier", "identity_pool_id", "image_id",
  "instance_id", "internet_gateway_id", "key_id", "key_name", "key_pair_id", "listener_arn", "load_balancer",
  "load_balancer_name", "log_group_name", "name", "nat_gateway_id", "network_acl_id", "network_interface_id",
  "plan_id", "policy_arn", "policy_id", "prefix_list_id", "project_name", "queue_url", "replication_group_id",
  "replication_instance_arn", "repository", "repository_name", "resolver_query_log_config_id", "resolver_rule_id",
  "resource_arn", "rest_api_id", "role", "role_name", "route_table_id", "rule", "secret_arn", "secret_id",
  "security_group_id", "service_arn", "shield_protection_id", "snapshot_id", "subnet_id", "table_name",
  "target_db_snapshot_identifier", "target_group_arn", "target_pipeline", "topic_arn",
  "transit_gateway_attachment_id", "transit_gateway_route_table_id", "url", "user", "user_pool_id", "uuid",
  "volume_id", "vpc_endpoint_id", "vpc_id", "vpc_peering_connection_id", "vpn_connection_id", "vpn_gateway_id",
  "web_acl_arn", "window_id", "workspace_id", "zone_id"
];
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
        attributes: (reduce identifying[] as $k ({};
          if ($v[$k]? | type) == "string" and $hidden[$k]? != true then .[$k] = $v[$k] else . end))
      }
  ]
}
