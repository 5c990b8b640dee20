//! What each course has to itself: a namespace with its grant, a workspace whose builds follow a script, a policy, and one
//! resource.

use std::collections::BTreeSet;

use sandbox::edge::{Kind, Resource, Script};
use sandbox::{Caller, Installed, name_of};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::incidents::Incidents;

/// The image of instances.
const IMAGE: &str = "ami-0c55b159cbfafe1f0";
/// The role of functions.
pub const FUNCTIONS_ROLE: &str = "faults-functions";

/// So many programs are started at once for what is done on the stages.
static HANDS: Semaphore = Semaphore::const_new(6);

/// What a stage has, and where.
#[derive(Clone, Debug)]
pub struct Prop {
    pub kind: Kind,
    /// A name that no other stage's resource has.
    pub what: String,
    pub region: &'static str,
    /// What its policy expects of it.
    pub expect: Vec<String>,
}

pub struct Stage {
    pub installed: &'static Installed,
    incidents: Incidents,
    /// The namespace, and the workspace.
    pub name: String,
    pub prop: Prop,
    pub script: Script,
    resource: Resource,
}

impl Stage {
    /// Makes the resource as if it had been there for long, and has the inventory published.
    pub async fn set(installed: &'static Installed, incidents: Incidents, name: String, prop: Prop) -> Self {
        let address = format!("{}.mode", prop.kind.terraform());
        let (id, value) = match prop.kind {
            Kind::Parameter => (format!("/{name}/{}", prop.what), "secure-mode"),
            Kind::Table | Kind::Instance => (prop.what.clone(), "there"),
            Kind::Function => (prop.what.clone(), "as it is to be"),
        };
        let resource = Resource::new(prop.kind, &address, &id, value);
        let mut stage = Self { installed, incidents, name, prop, script: Script::of([]), resource };
        stage.make().await;
        stage.script = Script::of([stage.resource.clone()]);
        stage.script.elsewhere(stage.prop.region);
        installed.sandbox.edge().script(&stage.name, Some(stage.script.clone()));
        installed.sandbox.run_plan(&stage.name).await.expect("an inventory");
        stage
    }

    async fn make(&mut self) {
        let Resource { name, value, .. } = self.resource.clone();
        let edge = self.installed.sandbox.edge();
        match self.prop.kind {
            Kind::Parameter => {
                if self.prop.region == sandbox::REGION {
                    let input = json!({"Name": name, "Value": value, "Type": "String"});
                    edge.call_unheard("ssm", "AmazonSSM.PutParameter", &input).await.expect("a parameter");
                } else {
                    let put = ["ssm", "put-parameter", "--name", &name, "--value", &value, "--type", "String"];
                    self.call(Caller::Terraform, &put).await;
                }
                // As it is there, for who asks Cloud Control.
                let properties = json!({"Name": name, "Type": "String", "Value": value});
                edge.faults().set_cloud_control("AWS::SSM::Parameter", &name, properties);
            }
            Kind::Table => {
                let input = json!({
                    "TableName": name, "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                });
                edge.call_unheard("dynamodb", "DynamoDB_20120810.CreateTable", &input).await.expect("a table");
            }
            Kind::Function => {
                let zip = format!("fileb://{}", self.installed.sandbox.folder().join("terraform.zip").display());
                let role = format!("arn:aws:iam::{}:role/{FUNCTIONS_ROLE}", sandbox::ACCOUNT);
                let create = ["lambda", "create-function", "--function-name", &name, "--description", &value];
                let how =
                    ["--runtime", "python3.12", "--handler", "index.handler", "--role", &role, "--zip-file", &zip];
                self.call(Caller::Terraform, &[&create[..], &how].concat()).await;
            }
            Kind::Instance => {
                let run = ["ec2", "run-instances", "--image-id", IMAGE, "--instance-type", "t3.micro"];
                let id = ["--query", "Instances[0].InstanceId", "--output", "text"];
                self.resource.name = self.call(Caller::Terraform, &[&run[..], &id].concat()).await.trim().to_owned();
            }
        }
    }

    async fn call(&self, who: Caller, args: &[&str]) -> String {
        let there = [args, &["--region", self.prop.region]].concat();
        let _hand = HANDS.acquire().await.expect("it stays open");
        self.installed.sandbox.aws(who, &there).await.expect("the AWS CLI")
    }

    /// The namespace, and the policy in it.
    pub fn manifests(&self) -> [Value; 2] {
        let workspace = json!({"name": self.name, "project": format!("aiops-{}-recovery", self.name),
            "planProject": format!("aiops-{}-plan", self.name)});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}});
        let policy = json!({
            "apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy",
            "metadata": {"name": "all", "namespace": self.name},
            "spec": {
                "mode": "Enforce",
                "match": {"resourceTypes": [self.resource_type()], "resourceIds": [self.resource.name]},
                "recovery": {"workspaces": [workspace]},
                "approval": {"mode": "Never"},
                "verification": {"timeout": "30m", "expect": self.prop.expect},
                "limits": {"cooldown": "0s", "maxPerHour": 1000, "maxConcurrent": 10, "stormThreshold": 1000, "tugOfWar": 100},
            },
        });
        [namespace, policy]
    }

    fn resource_type(&self) -> &'static str {
        match self.prop.kind {
            Kind::Parameter => "ssm",
            Kind::Table => "dynamodb",
            Kind::Function => "lambda",
            Kind::Instance => "ec2",
        }
    }

    /// Breaks the resource, and gives the name of the Incident.
    pub async fn broken(&self) -> String {
        let before = self.incidents.names(&self.name);
        self.break_it().await;
        if self.prop.region != sandbox::REGION {
            self.forward(&self.installed.sandbox.outputs().queue_url).await;
        }
        self.opened_beside(&before).await
    }

    /// Waits for the first Incident here.
    pub async fn opened(&self) -> String {
        self.opened_beside(&BTreeSet::new()).await
    }

    async fn opened_beside(&self, before: &BTreeSet<String>) -> String {
        let is_new = |incident: &Value| !before.contains(&name_of(incident));
        name_of(&self.incidents.until(&self.name, "new", is_new).await)
    }

    /// Waits until an Incident is as wanted.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.incidents.until(&self.name, what, |incident| name_of(incident) == name && wanted(incident)).await
    }

    /// Breaks the resource. In another region than the install's nobody hears of that.
    pub async fn break_it(&self) {
        let name = self.resource.name.as_str();
        let call: &[&str] = match self.prop.kind {
            Kind::Parameter => &["ssm", "put-parameter", "--name", name, "--value", "hacked", "--overwrite"],
            Kind::Table => &["dynamodb", "delete-table", "--table-name", name],
            Kind::Function => {
                &["lambda", "update-function-configuration", "--function-name", name, "--description", "hacked"]
            }
            Kind::Instance => &["ec2", "terminate-instances", "--instance-ids", name],
        };
        self.call(Caller::Mallory, call).await;
    }

    /// Brings the record of what was done last to a queue, as the rules of an install that spans regions do.
    pub async fn forward(&self, queue: &str) {
        let is_it = |record: &Value| {
            record["awsRegion"] == self.prop.region
                && record["requestParameters"].to_string().contains(&self.resource.name)
        };
        let record = self.installed.sandbox.edge().last_record(is_it).expect("a record");
        let service = record["eventSource"].as_str().and_then(|source| source.split('.').next()).expect("a source");
        let event = json!({
            "version": "0", "id": record["eventID"], "detail-type": "AWS API Call via CloudTrail",
            "source": format!("aws.{service}"), "account": sandbox::ACCOUNT, "time": record["eventTime"],
            "region": self.prop.region, "resources": [], "detail": record,
        });
        let send = ["sqs", "send-message", "--queue-url", queue, "--message-body", &event.to_string()];
        self.installed.sandbox.aws(Caller::Terraform, &send).await.expect("the AWS CLI");
    }

    /// A text as everybody would read it: without what is this run's alone.
    pub fn generally(&self, text: &str) -> String {
        let text = text.split(". It is tried again at").next().unwrap_or_default();
        text.replace(&self.resource.name, "NAME").replace(&self.prop.what, "NAME").replace(&self.name, "shop")
    }
}
