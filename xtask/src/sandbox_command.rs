//! `cargo xtask sandbox`: a sandbox that stays, with the operator and the policies in it, and takes orders from other shells.
//!
//! Orders come as one line of JSON on a socket in the cache's folder, and are answered with text.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use sandbox::scenario::SCENARIOS;
use sandbox::{Caller, NAMESPACE, Operator, parts, scenario};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use crate::machine;

/// Start a sandbox that stays until ctrl-c; or tell the one that is there what is to happen in it.
#[derive(Debug, Args)]
pub struct SandboxCommand {
    #[command(subcommand)]
    order: Option<Order>,
}

/// What can be asked of a sandbox that stays.
#[derive(Debug, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
enum Order {
    /// Break one of the five resources, as whoever holds mallory's credentials would.
    Break {
        /// ec2, lambda, dynamodb, s3 or ssm.
        what: String,
    },
    /// Refuse the next calls of an operation: `fault s3 GetObject AccessDenied`.
    Fault {
        /// The service as it is signed for: s3, codebuild, dynamodb, bedrock, ...
        service: String,
        /// The operation, as CloudTrail names it without a version.
        operation: String,
        /// AWS's code.
        code: String,
        /// How many calls.
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// Take a service away: each of its calls is answered with 503.
    Away {
        /// The service as it is signed for.
        service: String,
    },
    /// Bring a service back.
    Back {
        /// The service as it is signed for.
        service: String,
    },
    /// Kill the operator with SIGKILL.
    Kill,
    /// Start the operator again.
    Start {
        /// Another program than the one that was built.
        program: Option<PathBuf>,
    },
    /// Show who called what of AWS how often.
    Calls,
}

impl SandboxCommand {
    pub fn run(self) -> Result<()> {
        match self.order {
            Some(order) => give(&order),
            None => {
                machine::check()?;
                machine::setup()?;
                machine::build_operator()?;
                tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(stay())
            }
        }
    }
}

fn socket() -> Result<PathBuf> {
    Ok(parts::cache()?.join("sandbox.sock"))
}

/// Gives an order to the sandbox that is there.
fn give(order: &Order) -> Result<()> {
    let mut connection =
        UnixStream::connect(socket()?).context("there is no sandbox: start one with cargo xtask sandbox")?;
    writeln!(connection, "{}", serde_json::to_string(order)?)?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    let answer: Value = serde_json::from_str(&answer).context("the sandbox broke off")?;
    if let Some(error) = answer["error"].as_str() {
        bail!("{error}");
    }
    println!("{}", answer["done"].as_str().unwrap_or_default());
    Ok(())
}

/// A sandbox that stays.
struct Stay {
    sandbox: sandbox::Sandbox,
    settings: Value,
    kubeconfig: PathBuf,
    operator: Option<Operator>,
}

/// Removes the socket when it is dropped.
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Another sandbox would remove it too.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn stay() -> Result<()> {
    let at = socket()?;
    ensure!(UnixStream::connect(&at).is_err(), "a sandbox is there already: end it with ctrl-c where it was started");
    // One that was killed leaves its socket.
    let _ = std::fs::remove_file(&at);
    let start = Instant::now();
    let say = |what: &str| eprintln!("sandbox: [{:>4} s] {what}", start.elapsed().as_secs());
    let sandbox = sandbox::Sandbox::start(&machine::root(), say).await?;
    say("installing the chart, starting the operator under its ServiceAccount");
    let (settings, kubeconfig) = (sandbox.install_chart().await?, sandbox.operator_kubeconfig()?);
    let mut stay = Stay { sandbox, settings, kubeconfig, operator: None };
    stay.start(&machine::operator()).await?;
    let plane = stay.sandbox.plane();
    plane.kubectl_with(scenario::POLICIES, &["apply", "-f", "-"])?;
    plane.kubectl(&["wait", "-n", NAMESPACE, "--for=condition=Ready", "rpol", "--all", "--timeout=30s"])?;
    let listener = UnixListener::bind(&at).with_context(|| format!("opening {}", at.display()))?;
    let _socket = Socket(at);
    println!("\n{}", how_to_reach(&stay.sandbox));
    println!("\nand, for what is to happen, of which `cargo xtask sandbox --help` has all:\n");
    println!("  cargo xtask sandbox break dynamodb\n  cargo xtask sandbox away s3\n\nctrl-c ends it.");
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let (connection, _) = connection.context("waiting for orders")?;
                // Whoever breaks off gets no answer; the sandbox stays.
                let _ = stay.serve(connection).await;
            }
            ended = tokio::signal::ctrl_c() => {
                ended.context("waiting for ctrl-c")?;
                break;
            }
        }
    }
    stay.operator = None;
    stay.sandbox.stop().await;
    Ok(())
}

/// What to type in another shell to reach a sandbox.
pub fn how_to_reach(sandbox: &sandbox::Sandbox) -> String {
    let mut lines = vec!["In another shell:\n".to_owned()];
    lines.push(format!("  export KUBECONFIG={}", sandbox.plane().kubeconfig().display()));
    let environment = sandbox.environment(Caller::Mallory);
    lines.extend(environment.iter().map(|(name, value)| format!("  export {name}={value:?}")));
    lines.push(format!("\nthen, for example:\n\n  kubectl get incidents -n {NAMESPACE} --watch"));
    lines.push("  aws dynamodb delete-table --table-name AiOpsDataTable".to_owned());
    lines.join("\n")
}

impl Stay {
    async fn start(&mut self, program: &Path) -> Result<()> {
        ensure!(self.operator.is_none(), "the operator runs already");
        let (kubeconfig, settings) = (&self.kubeconfig, &self.settings);
        self.operator = Some(Operator::start(&self.sandbox, program, kubeconfig, settings, "operator-0").await?);
        Ok(())
    }

    async fn serve(&mut self, connection: tokio::net::UnixStream) -> Result<()> {
        let mut connection = tokio::io::BufStream::new(connection);
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let answer = match self.carry_out(&line).await {
            Ok(done) => serde_json::json!({"done": done}),
            Err(error) => serde_json::json!({"error": format!("{error:#}")}),
        };
        connection.write_all(format!("{answer}\n").as_bytes()).await?;
        connection.flush().await?;
        Ok(())
    }

    async fn carry_out(&mut self, line: &str) -> Result<String> {
        let faults = self.sandbox.edge().faults();
        Ok(match serde_json::from_str(line).context("no order")? {
            Order::Break { what } => {
                let known = SCENARIOS.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
                let scenario = SCENARIOS.into_iter().find(|s| s.name == what);
                let scenario = scenario.with_context(|| format!("there is no {what} to break; there are {known}"))?;
                scenario.break_it(&self.sandbox).await?;
                scenario.what.to_owned()
            }
            Order::Fault { service, operation, code, times } => {
                faults.refuse_next(&service, &operation, times, &code);
                format!("calls of {service} {operation} to be refused with {code}: {times}")
            }
            Order::Away { service } => {
                faults.take_away(&service);
                format!("{service} is away")
            }
            Order::Back { service } => {
                faults.bring_back(&service);
                format!("{service} is back")
            }
            Order::Kill => {
                self.operator.take().context("the operator does not run")?.kill()?;
                "the operator is killed".to_owned()
            }
            Order::Start { program } => {
                self.start(&program.unwrap_or_else(machine::operator)).await?;
                "the operator runs".to_owned()
            }
            Order::Calls => {
                let calls = faults.all_calls();
                let lines = calls.iter().map(|(service, operation, principal, count)| {
                    format!("{count:>7}  {service:<16} {operation:<36} {principal}")
                });
                lines.collect::<Vec<_>>().join("\n")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        command: SandboxCommand,
    }

    #[test]
    fn an_order_arrives_as_it_was_typed() {
        let typed = |words: &str| Typed::try_parse_from(words.split(' ')).map(|typed| typed.command.order);
        assert_eq!(typed("sandbox").expect("no order starts one"), None);
        let (s3, get, denied) = ("s3".to_owned(), "GetObject".to_owned(), "AccessDenied".to_owned());
        let order = typed("sandbox fault s3 GetObject AccessDenied --times 3").expect("an order");
        assert_eq!(order, Some(Order::Fault { service: s3, operation: get, code: denied, times: 3 }));
        for words in ["break s3", "away sqs", "back sqs", "kill", "start /bin/other", "start", "calls"] {
            let order = typed(&format!("sandbox {words}")).expect("an order").expect("an order");
            let sent = serde_json::to_string(&order).expect("JSON");
            assert_eq!(serde_json::from_str::<Order>(&sent).expect("an order"), order, "{words}");
        }
        assert!(typed("sandbox fault s3").is_err(), "of a fault all must be said");
    }
}
