//! What a process takes, as Linux has it in /proc.

use anyhow::{Context, Result};

/// A figure of `/proc/<pid>/status`, in MiB.
pub fn memory(pid: u32, name: &str) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("the figure")?;
    let kib: f64 = line.split_whitespace().next().context("a number")?.parse()?;
    Ok(kib / 1024.0)
}

/// The processor time of a process, in milliseconds: proc(5) counts in hundredths of a second.
pub fn cpu_millis(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = text.rsplit(')').next().context("the fields after the name")?;
    let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks * 10.0)
}

/// Lets the peak of its memory (`VmHWM`) begin anew: proc(5), "/proc/pid/clear_refs".
pub fn forget_peak(pid: u32) -> Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("forgetting the peak")
}
