//! `clippy.toml` bites: each line here makes use of something that it forbids and expects the lint, so that clippy complains of
//! a line of which the lint says nothing (`unfulfilled_lint_expectations`). `cargo xtask lint` has clippy look at tests too.

macro_rules! types {
    ($($forbidden:ty,)+) => { $(
        #[expect(clippy::disallowed_types, reason = "it is to bite")]
        const _: Option<$forbidden> = None;
    )+ };
}

macro_rules! methods {
    ($($forbidden:expr,)+) => { $(
        const _: () = {
            #[allow(clippy::disallowed_types, reason = "the type of the method bites in its own line")]
            #[expect(clippy::disallowed_methods, reason = "it is to bite")]
            let _ = $forbidden;
        };
    )+ };
}

types! {
    std::collections::HashMap<u8, u8>,
    std::collections::HashSet<u8>,
    std::fs::File,
    std::fs::OpenOptions,
    std::net::TcpListener,
    std::net::TcpStream,
    std::net::UdpSocket,
    std::process::Command,
    std::thread::Builder,
    std::time::Instant,
    std::time::SystemTime,
}

methods! {
    jiff::Timestamp::now,
    jiff::Zoned::now,
    jiff::tz::TimeZone::system,
    std::env::args,
    std::env::current_dir,
    std::env::current_exe,
    std::env::temp_dir,
    std::env::var::<&str>,
    std::env::var_os::<&str>,
    std::env::vars,
    std::fs::copy::<&str, &str>,
    std::fs::create_dir::<&str>,
    std::fs::create_dir_all::<&str>,
    std::fs::metadata::<&str>,
    std::fs::read::<&str>,
    std::fs::read_dir::<&str>,
    std::fs::read_to_string::<&str>,
    std::fs::remove_dir_all::<&str>,
    std::fs::remove_file::<&str>,
    std::fs::rename::<&str, &str>,
    std::fs::write::<&str, &str>,
    std::io::stderr,
    std::io::stdin,
    std::io::stdout,
    std::net::TcpStream::connect::<&str>,
    std::net::UdpSocket::bind::<&str>,
    std::path::Path::exists,
    std::path::Path::is_file,
    std::path::Path::read_dir,
    std::process::abort,
    std::process::exit,
    std::process::id,
    std::thread::current,
    std::thread::scope::<fn(&std::thread::Scope<'_, '_>), ()>,
    std::thread::sleep,
    std::thread::spawn::<fn(), ()>,
    std::time::Instant::now,
    std::time::SystemTime::now,
    uuid::Uuid::new_v4,
}

/// A line of `clippy.toml` that names what is not there would forbid nothing.
#[test]
fn what_is_forbidden_is_seen_to_be() {
    let shown = include_str!("lints.rs");
    let lines = include_str!("../clippy.toml").lines().filter(|line| !line.contains("allow-invalid"));
    let paths: Vec<&str> = lines.filter_map(|line| line.split("path = \"").nth(1)?.split('"').next()).collect();
    assert!(paths.len() > 40, "{paths:?}");
    for path in paths {
        let is_whole = |(at, _): (usize, &str)| shown[at + path.len()..].starts_with([',', '<', ':']);
        assert!(shown.match_indices(path).any(is_whole), "{path} is not seen to bite");
    }
}
