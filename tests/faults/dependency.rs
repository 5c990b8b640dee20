//! What Reforge needs, and how it fails.

use sandbox::edge::{self, Aim, Manner};

use crate::stage::{Prop, Stage};

/// The most calls, and the most writes, of an Incident in a minute.
pub const MOST: usize = 2;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Denied,
    Throttled,
    ServerError,
    Slow,
    Half,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Denied, Self::Throttled, Self::ServerError, Self::Slow, Self::Half];

    /// A word for names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::ServerError => "failing",
            Self::Slow => "slow",
            Self::Half => "half",
        }
    }

    /// As people say it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::ServerError => "500 or 503",
            Self::Slow => "no answer in time",
            Self::Half => "half an answer",
        }
    }

    /// A region that nothing else goes wrong in.
    pub fn region(self) -> &'static str {
        match self {
            Self::Denied => "us-east-2",
            Self::Throttled => "us-west-1",
            Self::ServerError => "us-west-2",
            Self::Slow => "eu-west-1",
            Self::Half => "eu-central-1",
        }
    }

    pub fn manner(self) -> Manner {
        match self {
            Self::Denied => Manner::Denied,
            Self::Throttled => Manner::Throttled,
            Self::ServerError => Manner::ServerError,
            Self::Slow => Manner::Slow,
            Self::Half => Manner::Half,
        }
    }
}

/// What Reforge asks, in the order of an Incident's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    Apiserver,
    Sqs,
    CloudTrail,
    S3,
    CodeBuild,
    Ec2,
    DynamoDb,
    Lambda,
    Ssm,
    CloudControl,
    Bedrock,
    Sns,
}

impl Dependency {
    pub const ALL: [Self; 12] = [
        Self::Apiserver,
        Self::Sqs,
        Self::CloudTrail,
        Self::S3,
        Self::CodeBuild,
        Self::Ec2,
        Self::DynamoDb,
        Self::Lambda,
        Self::Ssm,
        Self::CloudControl,
        Self::Bedrock,
        Self::Sns,
    ];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Apiserver => "The apiserver",
            Self::Sqs => "SQS",
            Self::CloudTrail => "CloudTrail",
            Self::S3 => "S3",
            Self::CodeBuild => "CodeBuild",
            Self::Ec2 => "EC2",
            Self::DynamoDb => "DynamoDB",
            Self::Lambda => "Lambda",
            Self::Ssm => "SSM",
            Self::CloudControl => "Cloud Control",
            Self::Bedrock => "Bedrock",
            Self::Sns => "SNS",
        }
    }

    /// What Reforge needs it for, where the fault meets it.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Apiserver => {
                "an Incident can be neither read nor written, and nothing is done that could not be written down"
            }
            Self::Sqs => "no events are received; they wait in the queue",
            Self::CloudTrail => "the sweep does not find what the queue never brought; it begins again where it began",
            Self::S3 => "the inventory cannot be read, so nobody knows whose the resource is",
            Self::CodeBuild => "no build can be started",
            Self::Ec2 => "nobody says whether the instance is gone, and whether another one runs",
            Self::DynamoDb => "nobody says whether the table is gone, and whether it is back",
            Self::Lambda => "nobody says whether the function is back",
            Self::Ssm => "nobody says whether the parameter is back",
            Self::CloudControl => "nobody says whether the resource is as `verification.expect` wants it",
            Self::Bedrock => "the model cannot be asked, and nothing waits for it: the rules' verdict stands",
            Self::Sns => "people cannot be told, and nothing waits for that",
        }
    }

    /// The service, as it is signed for.
    pub fn service(self) -> &'static str {
        match self {
            Self::Apiserver => "apiserver",
            Self::Sqs => "sqs",
            Self::CloudTrail => "cloudtrail",
            Self::S3 => "s3",
            Self::CodeBuild => "codebuild",
            Self::Ec2 => "ec2",
            Self::DynamoDb => "dynamodb",
            Self::Lambda => "lambda",
            Self::Ssm => "ssm",
            Self::CloudControl => "cloudcontrolapi",
            Self::Bedrock => "bedrock",
            Self::Sns => "sns",
        }
    }

    /// The action that the operator's role lacks where it is denied.
    pub fn action(self) -> &'static str {
        match self {
            Self::Apiserver => "cannot get resource \"incidents\"",
            Self::Sqs => "sqs:ReceiveMessage",
            Self::CloudTrail => "cloudtrail:LookupEvents",
            Self::S3 => "s3:GetObject",
            Self::CodeBuild => "codebuild:StartBuild",
            Self::Ec2 => "ec2:DescribeInstances",
            Self::DynamoDb => "dynamodb:DescribeTable",
            Self::Lambda => "lambda:GetFunctionConfiguration",
            Self::Ssm => "ssm:DescribeParameters",
            Self::CloudControl => "cloudformation:GetResource",
            Self::Bedrock => "bedrock:InvokeModel",
            Self::Sns => "SNS:Publish",
        }
    }

    /// Whether an Incident waits for it. It does not where it goes on without an answer.
    pub fn is_waited_for(self) -> bool {
        !matches!(self, Self::Bedrock | Self::Sns)
    }

    /// The most calls in a minute.
    pub fn most_calls(self) -> usize {
        match self {
            // Two are at the queue, and each tries twice at once.
            Self::Sqs => 4 * MOST,
            // The sweep, which goes every 45 seconds here and every 15 minutes in an install, finds the event again, and asks
            // for its Incident.
            Self::Apiserver => MOST + 2,
            _ => MOST,
        }
    }

    /// What becomes of the Incident.
    pub fn afterwards(self) -> &'static str {
        if self.is_waited_for() {
            "it goes on by itself when the fault has ended"
        } else {
            "it has ended before the fault"
        }
    }

    /// Who lacks the right where it is denied.
    pub fn who(self) -> &'static str {
        if self == Self::Apiserver { "system:serviceaccount:reforge:reforge" } else { "role/reforge-operator" }
    }

    /// What its calls about a stage have in them. EC2 is asked about all instances of a region together, and CloudTrail about
    /// all that happened there.
    pub fn text(self, stage: &Stage) -> String {
        match self {
            Self::S3 => format!("inventory/{}.json", stage.name),
            Self::CodeBuild => format!("aiops-{}-", stage.name),
            Self::Ec2 | Self::CloudTrail => format!("/{}/", stage.prop.region),
            _ => stage.prop.what.clone(),
        }
    }

    /// What a stage has whose calls to it fail.
    pub fn prop(self, kind: Kind) -> Prop {
        let what = format!("{}-{}", self.service(), kind.word());
        let (of, region) = match self {
            Self::Ec2 => (edge::Kind::Instance, kind.region()),
            Self::Sqs | Self::CloudTrail => (edge::Kind::Parameter, kind.region()),
            Self::DynamoDb => (edge::Kind::Table, sandbox::REGION),
            Self::Lambda => (edge::Kind::Function, sandbox::REGION),
            _ => (edge::Kind::Parameter, sandbox::REGION),
        };
        let expect =
            if self == Self::CloudControl { vec!["resource.Value == 'secure-mode'".to_owned()] } else { Vec::new() };
        Prop { kind: of, what, region, expect }
    }

    /// The operator's calls.
    pub fn aim(self, about: &str) -> Aim<'_> {
        Aim { service: self.service(), operation: None, principal: "reforge", about }
    }
}
