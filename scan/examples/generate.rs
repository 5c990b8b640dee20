//! Writes a CloudTrail log as a busy account has it, the same for the same seed.
//!
//! `generate <records|ndjson|envelopes> <MiB> <seed> > file`

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};

/// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators").
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).unwrap_or(0)]
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }
}

/// Source, name, and what the request holds; `@` is replaced by a random word.
type Call = (&'static str, &'static str, &'static str);

const READS: [&Call; 10] = [
    &(
        "ec2",
        "DescribeInstances",
        r#"{"instancesSet":{"items":[{"instanceId":"i-@"},{"instanceId":"i-@"}]},"filterSet":{"items":[{"name":"tag:Name","valueSet":{"items":[{"value":"web-@"}]}}]}}"#,
    ),
    &(
        "ec2",
        "DescribeNetworkInterfaces",
        r#"{"networkInterfaceIdSet":{},"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"vpc-@"}]}}]}}"#,
    ),
    &(
        "sts",
        "AssumeRole",
        r#"{"roleArn":"arn:aws:iam::123456789012:role/app-@","roleSessionName":"s-@","durationSeconds":3600}"#,
    ),
    &("s3", "GetBucketAcl", r#"{"bucketName":"data-@","Host":"data-@.s3.eu-west-1.amazonaws.com","acl":""}"#),
    &(
        "s3",
        "ListObjects",
        r#"{"list-type":"2","bucketName":"data-@","prefix":"year=2026/month=03/@","Host":"s3.eu-west-1.amazonaws.com"}"#,
    ),
    &(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::data-@/@"}}"#,
    ),
    &("dynamodb", "DescribeTable", r#"{"tableName":"orders-@"}"#),
    &("ssm", "GetParameters", r#"{"names":["/app/@/url","/app/@/password"],"withDecryption":true}"#),
    &(
        "logs",
        "DescribeLogStreams",
        r#"{"logGroupName":"/aws/lambda/f-@","orderBy":"LastEventTime","descending":true}"#,
    ),
    &(
        "ecs",
        "DescribeTasks",
        r#"{"cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/main","tasks":["arn:aws:ecs:eu-west-1:123456789012:task/main/@"]}"#,
    ),
];

const WRITES: [&Call; 6] = [
    &("logs", "CreateLogStream", r#"{"logGroupName":"/aws/lambda/f-@","logStreamName":"2026/03/01/[$LATEST]@"}"#),
    &(
        "ssm",
        "UpdateInstanceInformation",
        r#"{"instanceId":"i-@","agentVersion":"3.3.1","agentStatus":"Active","platformType":"Linux","platformName":"Amazon Linux","iPAddress":"10.0.1.7"}"#,
    ),
    &(
        "s3",
        "PutObject",
        r#"{"bucketName":"data-@","key":"in/@.json","Host":"data-@.s3.amazonaws.com","x-amz-server-side-encryption":"aws:kms"}"#,
    ),
    &(
        "ec2",
        "CreateTags",
        r#"{"resourcesSet":{"items":[{"resourceId":"i-@"}]},"tagSet":{"items":[{"key":"Name","value":"a \"quoted\" name @"}]}}"#,
    ),
    &(
        "events",
        "PutRule",
        r#"{"name":"r-@","eventPattern":"{\"source\":[\"aws.ec2\"],\"detail\":{\"errorCode\":[\"x\"]}}","state":"ENABLED"}"#,
    ),
    &(
        "ecs",
        "RegisterTaskDefinition",
        r#"{"family":"web","containerDefinitions":[{"name":"web","image":"123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:@","environment":[{"name":"A","value":"@"}],"essential":true}]}"#,
    ),
];

const WANTED: [&Call; 5] = [
    &("dynamodb", "DeleteTable", r#"{"tableName":"orders-@"}"#),
    &("ec2", "TerminateInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-@"}]}}"#),
    &("lambda", "DeleteFunction20150331", r#"{"functionName":"f-@"}"#),
    &("s3", "DeleteBucketPolicy", r#"{"bucketName":"data-@","Host":"data-@.s3.amazonaws.com","policy":""}"#),
    &("ssm", "DeleteParameter", r#"{"name":"/app/@/url"}"#),
];

const AGENTS: [&str; 3] = [
    "aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.24.1 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.210.1 m/C,E",
    "APN/1.0 HashiCorp/1.0 Terraform/1.11.2 (+https://www.terraform.io) terraform-provider-aws/5.90.0",
    "[Boto3/1.37.11 md/Botocore#1.37.11 ua/2.1 os/linux#6.1.129 md/arch#x86_64 lang/python#3.12.9]",
];

/// One record.
fn record(random: &mut Random, out: &mut String) {
    let kind = random.below(1000);
    let is_read = kind >= 150;
    let call = match kind {
        0..5 => random.of(&WANTED),
        5..150 => random.of(&WRITES),
        _ => random.of(&READS),
    };
    let (source, name, request) = *call;
    let mut parameters = String::new();
    for (i, part) in request.split('@').enumerate() {
        if i > 0 {
            let _ = write!(parameters, "{:012x}", random.next() >> 16);
        }
        parameters.push_str(part);
    }
    let (role, second) = (random.below(40), random.below(86_400));
    let time =
        format!("2026-03-{:02}T{:02}:{:02}:{:02}Z", 1 + random.below(28), second / 3600, second / 60 % 60, second % 60);
    let key = random.next() >> 8;
    let agent = random.of(&AGENTS);
    let _ = write!(
        out,
        r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROA{key:014X}:s-{key:x}","arn":"arn:aws:sts::123456789012:assumed-role/app-{role}/s-{key:x}","accountId":"123456789012","accessKeyId":"ASIA{key:014X}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{key:014X}","arn":"arn:aws:iam::123456789012:role/app-{role}","accountId":"123456789012","userName":"app-{role}"}},"attributes":{{"creationDate":"{time}","mfaAuthenticated":"false"}}}}}},"eventTime":"{time}","eventSource":"{source}.amazonaws.com","eventName":"{name}","awsRegion":"eu-west-1","sourceIPAddress":"10.{}.{}.7","userAgent":"{agent}","#,
        random.below(256),
        random.below(256),
    );
    if random.below(10) == 0 {
        let _ = write!(
            out,
            r#""errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::123456789012:assumed-role/app-{role}/s-{key:x} is not authorized to perform: {source}:{name} because no identity-based policy allows the {source}:{name} action","#
        );
    }
    let response = if is_read && source != "sts" {
        "null".to_owned()
    } else {
        format!(r#"{{"requestId":"{}","status":{{"code":"OK","previous":{{"errorCode":null}}}}}}"#, random.uuid())
    };
    let _ = write!(
        out,
        r#""requestParameters":{parameters},"responseElements":{response},"requestID":"{}","eventID":"{}","readOnly":{is_read},"resources":[{{"accountId":"123456789012","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::data-{key:x}"}}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"123456789012","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{source}.eu-west-1.amazonaws.com"}}}}"#,
        random.uuid(),
        random.uuid(),
    );
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [form, size, seed] = arguments.as_slice() else {
        eprintln!("usage: generate <records|ndjson|envelopes> <MiB> <seed> > file");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<u64>().map_err(io::Error::other);
    let (bytes, mut random) = (number(size)? << 20, Random(number(seed)?));
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let (mut text, mut written) = (String::new(), 0);
    while written < bytes {
        text.clear();
        match form.as_str() {
            "records" => text.push_str(if written == 0 { "{\"Records\":[" } else { "," }),
            "envelopes" => {
                let _ = write!(
                    text,
                    r#"{{"version":"0","id":"{}","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","account":"123456789012","time":"2026-03-01T00:00:00Z","region":"eu-west-1","resources":[],"detail":"#,
                    random.uuid()
                );
            }
            _ => {}
        }
        record(&mut random, &mut text);
        text.push_str(match form.as_str() {
            "records" => "",
            "envelopes" => "}\n",
            _ => "\n",
        });
        out.write_all(text.as_bytes())?;
        written += text.len() as u64;
    }
    if form == "records" {
        out.write_all(b"]}")?;
    }
    out.flush()
}
