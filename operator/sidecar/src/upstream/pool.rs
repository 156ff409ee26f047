//! Connections that wait for the next request, by origin. Each worker has its own pool, so that no request waits for
//! another thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{ConnectError, Connector, Origin, Sender};

/// Idle connections are closed after this time: many servers and balancers close theirs after 60 s.
const IDLE: Duration = Duration::from_secs(50);
/// More idle connections to one origin are not kept.
const KEPT: usize = 64;

/// A connection, and since when it has been idle.
type Idle = (Sender, Instant);

/// Idle connections of one worker.
pub struct Pool {
    connector: Connector,
    /// By origin: there are few, and whoever asks mostly has the very same one.
    idle: RefCell<Vec<(Arc<Origin>, Vec<Idle>)>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No connection in time.
    #[error("failed to connect to {host} in time")]
    ConnectTimeout {
        /// To whom.
        host: String,
    },
    /// The connection ended before the head of the answer.
    #[error("failed to get an answer from {host}: {source}")]
    NoAnswer {
        /// From whom.
        host: String,
        /// Why.
        source: hyper::Error,
    },
}

/// An answer, and the connection that it comes on.
pub struct Answer {
    /// Head and body.
    pub response: Response<Incoming>,
    connection: Sender,
    origin: Arc<Origin>,
    pool: Rc<Pool>,
}

impl Answer {
    /// Divides it into the response and what keeps its connection.
    #[must_use]
    pub fn into_parts(self) -> (Response<Incoming>, Kept) {
        let Self { response, connection, origin, pool } = self;
        (response, Kept { connection, origin, pool })
    }
}

/// The connection of an answer. Dropped, it is closed, which ends what the upstream still computes.
pub struct Kept {
    connection: Sender,
    origin: Arc<Origin>,
    pool: Rc<Pool>,
}

impl Kept {
    /// The answer has been read to its end: the connection can serve again.
    pub fn give_back(self) {
        if self.connection.is_closed() {
            return;
        }
        let mut idle = self.pool.idle.borrow_mut();
        let connection = (self.connection, Instant::now());
        match of_origin(&mut idle, &self.origin) {
            Some(connections) if connections.len() < KEPT => connections.push(connection),
            Some(_) => {}
            None => idle.push((self.origin, vec![connection])),
        }
    }
}

impl Pool {
    /// Without any connection yet.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector, idle: RefCell::default() }
    }

    /// Sends a request and waits for the head of the answer. The caller bounds the time of the whole; `connect` bounds
    /// the time of a new connection.
    ///
    /// # Errors
    /// [`SendError`]; a request that an idle connection never took is sent again on a new one.
    pub async fn send(
        self: &Rc<Self>,
        origin: &Arc<Origin>,
        mut request: Request<Full<Bytes>>,
        connect: Duration,
    ) -> Result<Answer, SendError> {
        while let Some(mut connection) = self.take(origin) {
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => return Ok(self.answer(response, connection, origin)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(no_answer(origin, failed.into_error())),
                },
            }
        }
        // Rare and large, so that it has a place of its own: whoever waits for an answer is moved with all it may hold.
        let connecting = Box::pin(self.connector.connect(origin));
        let connected = tokio::time::timeout(connect, connecting).await;
        let late = |_| SendError::ConnectTimeout { host: origin.host.clone() };
        let mut connection = connected.map_err(late)??;
        let response = connection.send_request(request).await.map_err(|source| no_answer(origin, source))?;
        Ok(self.answer(response, connection, origin))
    }

    /// Closes what has been idle for too long.
    pub fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        for (_, connections) in idle.iter_mut() {
            connections.retain(|(connection, since)| !connection.is_closed() && since.elapsed() < IDLE);
        }
        idle.retain(|(_, connections)| !connections.is_empty());
    }

    /// The connection that was used last: it is the least likely to have been closed.
    fn take(&self, origin: &Arc<Origin>) -> Option<Sender> {
        let mut idle = self.idle.borrow_mut();
        let connections = of_origin(&mut idle, origin)?;
        while let Some((connection, since)) = connections.pop() {
            if !connection.is_closed() && since.elapsed() < IDLE {
                return Some(connection);
            }
        }
        None
    }

    fn answer(
        self: &Rc<Self>,
        response: Response<Incoming>,
        connection: Sender,
        origin: &Arc<Origin>,
    ) -> Answer {
        Answer { response, connection, origin: Arc::clone(origin), pool: Rc::clone(self) }
    }
}

/// The connections to this origin. Of different snapshots the same origin is another value.
fn of_origin<'a>(
    idle: &'a mut [(Arc<Origin>, Vec<Idle>)],
    origin: &Arc<Origin>,
) -> Option<&'a mut Vec<Idle>> {
    let place = idle
        .iter()
        .position(|(kept, _)| Arc::ptr_eq(kept, origin))
        .or_else(|| idle.iter().position(|(kept, _)| kept == origin))?;
    idle.get_mut(place).map(|(_, connections)| connections)
}

fn no_answer(origin: &Origin, source: hyper::Error) -> SendError {
    SendError::NoAnswer { host: origin.host.clone(), source }
}
