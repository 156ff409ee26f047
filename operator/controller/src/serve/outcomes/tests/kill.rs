//! Processes that are killed at random while records travel: whatever a sidecar has written down is in Postgres once.
//!
//! Operator and sidecars are processes of their own, this program again with another test's name. A round kills one of
//! them with SIGKILL, or ends all connections of the database, and starts it anew. `VOX_KILL_SEED` repeats a run.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use axum::extract::{RawQuery, State};
use clap::Parser as _;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;
use vox_sidecar::Outcomes;
use vox_sidecar::config::Args;
use vox_sidecar::ids::{now_ms, uuid};
use vox_sidecar::metrics::Metrics as SidecarMetrics;
use vox_sidecar::spool::{Bounds, Kind, Records as _, Spool};

use super::*;

const ROUNDS: usize = 24;
const SIDECARS: usize = 2;
/// So many records a sidecar writes down before it says so.
const TOGETHER: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// A process of this program that runs one test.
fn child(test: &str, environment: &[(&str, String)]) -> Child {
    let name = format!("serve::outcomes::tests::kill::{test}");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--ignored", "--nocapture", "--test-threads=1"])
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "a process of the test that kills"]
async fn an_operator() {
    let Ok(listen) = std::env::var("KILL_OPERATOR") else { return };
    let store = Store::open(&std::env::var("KILL_DATABASE").unwrap(), 4).unwrap();
    let parts = Arc::new((store, Metrics::new(), Intake::new()));
    type Parts = Arc<(Store, Metrics, Intake)>;
    let take = async |State(parts): State<Parts>, RawQuery(query): RawQuery, body: Body| {
        let sidecar = query.unwrap_or_default();
        answer(parts.2.take(&parts.0, &parts.1, "shop", &sidecar, body).await.map(|took| took.receipt))
    };
    let app = Router::new().route("/v1/namespaces/shop/outcomes", post(take)).with_state(parts);
    let listen: SocketAddr = listen.parse().unwrap();
    axum_server::bind(listen).serve(app.into_make_service()).await.unwrap();
}

/// Writes records down and says their ids, until its input ends.
#[test]
#[ignore = "a process of the test that kills"]
fn a_sidecar() {
    let Ok(state) = std::env::var("KILL_SIDECAR").map(PathBuf::from) else { return };
    let token = state.join("token").display().to_string();
    let operator = std::env::var("KILL_URL").unwrap();
    let arguments = ["vox-sidecar", "--namespace", "shop", "--operator", &operator, "--token-file", &token];
    let settings = Args::parse_from(arguments).settings;
    let bounds = Bounds { bytes: 64 << 20, age: Duration::from_secs(3600) };
    let spool = Spool::start(state.join("spool"), bounds, SidecarMetrics::default().spool).unwrap();
    let outcomes = Outcomes::start(settings, spool.shelf()).unwrap();
    let told = Arc::new(Mutex::new(false));
    let ended = Arc::clone(&told);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        *ended.lock().unwrap() = true;
    });
    while !*told.lock().unwrap() {
        let ids: Vec<Uuid> = (0..TOGETHER).map(|_| uuid(now_ms())).collect();
        for (number, id) in ids.iter().enumerate() {
            let kind = if number.is_multiple_of(4) { Kind::Call } else { Kind::Answered };
            spool.put(kind, call(*id).as_bytes());
        }
        spool.flush();
        let said: String = ids.iter().map(|id| format!("id {id}\n")).collect();
        std::io::stdout().write_all(said.as_bytes()).unwrap();
        sleep(Duration::from_millis(50));
    }
    spool.close();
    drop(outcomes);
}

/// A sidecar's process, started anew whenever it is killed, and the ids that it said.
struct Sidecar {
    state: PathBuf,
    url: String,
    process: Child,
    said: Arc<Mutex<BTreeSet<Uuid>>>,
}

impl Sidecar {
    fn start(state: PathBuf, url: &str) -> Self {
        let said = Arc::default();
        let process = Self::process(&state, url, &said);
        Self { state, url: url.to_owned(), process, said }
    }

    fn process(state: &Path, url: &str, said: &Arc<Mutex<BTreeSet<Uuid>>>) -> Child {
        let environment = [("KILL_SIDECAR", state.display().to_string()), ("KILL_URL", url.to_owned())];
        let mut process = child("a_sidecar", &environment);
        let (output, said) = (BufReader::new(process.stdout.take().unwrap()), Arc::clone(said));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The last line of a killed process may be cut.
                let id = line.strip_prefix("id ").filter(|id| id.len() == 36);
                if let Some(id) = id.and_then(|id| id.parse().ok()) {
                    said.lock().unwrap().insert(id);
                }
            }
        });
        process
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::process(&self.state, &self.url, &self.said);
    }

    /// Tells it to end and waits; what it could not send then, the next one sends.
    fn end(&mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }

    fn waiting(&self) -> usize {
        std::fs::read_dir(self.state.join("spool")).map_or(0, Iterator::count)
    }
}

struct Operator {
    environment: [(&'static str, String); 2],
    process: Child,
}

impl Operator {
    fn start(database: &str) -> (Self, String) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let environment = [("KILL_OPERATOR", port.to_string()), ("KILL_DATABASE", database.to_owned())];
        let process = child("an_operator", &environment);
        (Self { environment, process }, format!("http://{port}"))
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = child("an_operator", &self.environment);
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

/// SplitMix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[tokio::test]
async fn whatever_is_killed_each_call_that_was_written_down_is_there_once() {
    let Some(url) = database("outcomes_kill").await else { return };
    Store::open(&url, 1).unwrap().migrate().await.unwrap();
    let mut seed = std::env::var("VOX_KILL_SEED").map_or(20_261_126, |seed| seed.parse().unwrap());
    println!("VOX_KILL_SEED={seed}");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let (mut operator, address) = Operator::start(&url);
    let mut sidecars: Vec<Sidecar> = (0..SIDECARS)
        .map(|number| {
            let state = std::env::temp_dir().join(format!("vox-kill-{}-{number}", std::process::id()));
            let _ = std::fs::remove_dir_all(&state);
            std::fs::create_dir_all(&state).unwrap();
            std::fs::write(state.join("token"), "t").unwrap();
            Sidecar::start(state, &address)
        })
        .collect();
    for _ in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(50 + next(&mut seed) % 400)).await;
        match next(&mut seed) % 5 {
            0 | 1 => operator.kill(),
            2 => {
                sqlx::query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .execute(&mut admin)
                .await
                .unwrap();
            }
            sidecar => sidecars[usize::try_from(sidecar).unwrap() - 3].kill(),
        }
    }
    sidecars.iter_mut().for_each(Sidecar::end);
    let begun = Instant::now();
    while sidecars.iter().any(|sidecar| sidecar.waiting() > 0) {
        assert!(begun.elapsed() < PATIENCE, "records still wait; VOX_KILL_SEED={seed}");
        for sidecar in &mut sidecars {
            sidecar.kill();
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        sidecars.iter_mut().for_each(Sidecar::end);
    }
    let there: Vec<Uuid> =
        sqlx::query_scalar("SELECT decision FROM llm_interaction").fetch_all(&mut admin).await.unwrap();
    let once: BTreeSet<Uuid> = there.iter().copied().collect();
    assert_eq!(there.len(), once.len(), "some are there twice");
    let mut count = 0;
    for sidecar in &sidecars {
        let said = sidecar.said.lock().unwrap();
        count += said.len();
        let missing = said.difference(&once).count();
        assert_eq!(missing, 0, "of {}: lost", said.len());
    }
    assert!(count > ROUNDS * TOGETHER, "only {count} were written down");
    println!("{count} calls were written down, {} rows", once.len());
}
