//! Scans logs, and says what was found and how long it took.
//!
//! `count <threads> <file, folder or ->...`

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use reforge_scan::{Input, Wanted, scan};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(NonZeroUsize::MIN);
    let inputs: Vec<Input> =
        arguments.map(|name| if name == "-" { Input::Stdin } else { Input::Path(name.into()) }).collect();
    let wanted = Wanted::from_iter([
        ("dynamodb.amazonaws.com", "DeleteTable"),
        ("ec2.amazonaws.com", "TerminateInstances"),
        ("lambda.amazonaws.com", "DeleteFunction"),
        ("s3.amazonaws.com", "DeleteBucketPolicy"),
        ("ssm.amazonaws.com", "DeleteParameter"),
    ]);
    let kept_bytes = AtomicU64::new(0);
    let keep = |kept: reforge_scan::Kept<'_>| {
        kept_bytes.fetch_add(kept.text.len() as u64, Ordering::Relaxed);
    };
    let begun = Instant::now();
    let totals = scan(&inputs, &wanted, threads, &|_| {}, &keep);
    let seconds = begun.elapsed().as_secs_f64();
    for trouble in &totals.troubles {
        eprintln!("{trouble}");
    }
    println!("{:?}", totals.counts);
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let (packed, bytes) = (totals.packed_bytes as f64 / 1e6, totals.bytes as f64 / 1e6);
    println!(
        "{} inputs, {packed:.1} MB on disk, {bytes:.1} MB of contents, {} records, kept {} bytes",
        totals.inputs,
        totals.counts.records(),
        kept_bytes.into_inner(),
    );
    println!("{seconds:.3} s with {threads} threads: {:.0} MB/s of contents", bytes / seconds);
}
