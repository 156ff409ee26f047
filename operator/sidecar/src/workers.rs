//! Threads: one for each worker, one for the house (snapshots, keys, metrics, signals).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::watch;

use crate::app::App;
use crate::config::Settings;
use crate::impatient::Impatient;
use crate::keys::Keys;
use crate::lease::Leases;
use crate::metrics::Metrics;
use crate::outcomes::Outcomes;
use crate::problem::Problem;
use crate::serve::{Body, Worker, house};
use crate::serving::Lasting;
use crate::spool::{Bounds, Spool};
use crate::upstream::{Connector, Pool, client_tls};

/// Connections that wait to be accepted, for each worker.
const BACKLOG: u32 = 1024;
/// A head that does not come in this time is not waited for.
const HEAD: Duration = Duration::from_secs(30);
/// As much of what goes on is put into a buffer for a client that does not read, in bytes; a stream's upstream waits then.
const BUFFER: usize = 64 << 10;
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// Why the sidecar does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("failed to listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system gives no thread or runtime.
    #[error("failed to start: {0}")]
    System(#[from] std::io::Error),
}

/// A sidecar that serves. Dropped, it stops.
pub struct Running {
    /// Where workloads call.
    pub address: SocketAddr,
    /// Where the kubelet probes.
    pub metrics_address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    leases: Leases,
    /// Without an operator there is nobody to send records to.
    outcomes: Option<Outcomes>,
}

impl Running {
    /// Stops when the process is asked to.
    ///
    /// # Errors
    /// Signals cannot be received.
    pub fn until_signalled(self) -> Result<(), StartError> {
        runtime()?.block_on(signal())?;
        tracing::info!("stopping: requests under way may end");
        drop(self);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody listens any more when all threads have ended by themselves.
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        // What the last requests came to is known now. Records are on disk in a moment, and the operator may be slow.
        self.app.records.close();
        drop(self.outcomes.take());
        self.leases.close();
    }
}

async fn signal() -> Result<(), std::io::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Starts all threads; returns when all listen.
///
/// # Errors
/// [`StartError`]: an address is taken, or the system gives no thread.
pub fn start_workers(settings: Settings) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::default());
    let bytes = u64::try_from(settings.spool_bytes).unwrap_or(u64::MAX);
    let age = Duration::from_secs(u64::from(settings.spool_days).saturating_mul(24 * 60 * 60));
    let spool = Spool::start(settings.state.join("spool"), Bounds { bytes, age }, metrics.spool.clone())?;
    let shelf = spool.shelf();
    let tls = client_tls(&settings.ca_bundle)
        .inspect_err(|error| tracing::warn!("{error}; https upstreams cannot be called"))
        .ok();
    let connector = Connector::new(tls);
    let lasting = Lasting::new(Keys::new(settings.keys.clone()), settings.snapshot.is_none());
    let app = Arc::new(App::new(settings, lasting, metrics, Arc::new(spool)));
    let (stop, stopped) = watch::channel(false);
    let mut running = Running {
        address: app.settings.listen,
        metrics_address: app.settings.listen_metrics,
        app: Arc::clone(&app),
        stop,
        threads: Vec::new(),
        leases: Leases::start(&app)?,
        outcomes: match app.settings.snapshot {
            Some(_) => None,
            None => Some(Outcomes::start(app.settings.clone(), shelf)?),
        },
    };
    let probes = (Arc::clone(&app), stopped.clone());
    running.metrics_address =
        running.spawn("house", running.metrics_address, move |listener| async move {
            let (app, stopped) = probes;
            keep_house(app, listener, stopped).await;
        })?;
    for number in 0..app.settings.worker_count() {
        let (app, connector, stopped) = (Arc::clone(&app), connector.clone(), stopped.clone());
        // Where any port will do, the first worker's is everyone's.
        running.address =
            running.spawn(&format!("worker-{number}"), running.address, move |listener| async move {
                work(app, connector, listener, stopped).await;
            })?;
    }
    tracing::info!(address = %running.address, metrics = %running.metrics_address, "serving");
    Ok(running)
}

impl Running {
    /// A thread with a runtime and a listener of its own; says where it listens.
    fn spawn<F: Future<Output = ()>>(
        &mut self,
        name: &str,
        address: SocketAddr,
        work: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> Result<SocketAddr, StartError> {
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let started = runtime().map_err(StartError::System).and_then(|runtime| {
                let listener = runtime.block_on(async { listen(address) })?;
                let address = listener.local_addr()?;
                Ok((runtime, listener, address))
            });
            match started {
                Ok((runtime, listener, address)) => {
                    // Whoever started this thread waits for it.
                    let _ = tell.send(Ok(address));
                    runtime.block_on(work(listener));
                }
                Err(error) => _ = tell.send(Err(error)),
            }
        })?;
        self.threads.push(thread);
        told.recv().map_err(|_| StartError::System(std::io::Error::other("a thread ended at once")))?
    }
}

pub(crate) fn runtime() -> Result<LocalRuntime, std::io::Error> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// All workers listen on one address, and the kernel divides connections between them.
fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| StartError::Listen { address, source })
}

async fn work(app: Arc<App>, connector: Connector, listener: TcpListener, stopped: watch::Receiver<bool>) {
    let worker = Rc::new(Worker { app, pool: Rc::new(Pool::new(connector)) });
    let sweeper = {
        let worker = Rc::clone(&worker);
        async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                worker.pool.sweep();
            }
        }
    };
    let sweeping = tokio::task::spawn_local(sweeper);
    let (drain, idle) = (worker.app.settings.drain, worker.app.settings.timeouts.idle);
    accept(&listener, stopped, (drain, idle), move |request| {
        let worker = Rc::clone(&worker);
        async move { worker.answer(request).await }
    })
    .await;
    sweeping.abort();
}

async fn keep_house(app: Arc<App>, listener: TcpListener, stopped: watch::Receiver<bool>) {
    let feeding = tokio::task::spawn_local(crate::feed::run(Arc::clone(&app)));
    let idle = app.settings.timeouts.idle;
    accept(&listener, stopped, (Duration::ZERO, idle), move |request| {
        let app = Arc::clone(&app);
        async move {
            let path = request.uri().path();
            let not_found = || Problem::not_found(path).response(vox_dialects::Dialect::OpenAiChat, None);
            house(&app, path).unwrap_or_else(not_found)
        }
    })
    .await;
    feeding.abort();
}

/// Serves connections until it is asked to stop; then those under way may end, for so long. A connection to which nothing
/// could be written for `idle` is over.
async fn accept<F: Future<Output = http::Response<Body>> + 'static>(
    listener: &TcpListener,
    mut stopped: watch::Receiver<bool>,
    (drain, idle): (Duration, Duration),
    answer: impl Fn(Request<Incoming>) -> F + Clone + 'static,
) {
    let mut connections = tokio::task::JoinSet::new();
    let handed = stopped.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(serve(stream, idle, handed.clone(), answer.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, mostly: a pause lets some of them go.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(drain, ended).await;
}

async fn serve<F: Future<Output = http::Response<Body>> + 'static>(
    stream: TcpStream,
    idle: Duration,
    mut stopped: watch::Receiver<bool>,
    answer: impl Fn(Request<Incoming>) -> F + 'static,
) {
    // An answer in pieces must not wait for acknowledgements of the pieces before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(Impatient::new(stream, idle)), service)
    );
    tokio::select! {
        // In this order, since the connection has news far more often.
        biased;
        // A client that breaks off says so by breaking off.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
