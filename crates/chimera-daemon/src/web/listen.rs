//! Takes connections: no more than there is room for, and none for longer than it is used.
//!
//! A connection *waits* while no request is under way on it. If all seats are taken, the one that has waited longest makes room
//! for a new one, so that forgotten connections neither use up the descriptors of the daemon nor shut anybody out.

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Most connections at a time, where the system gives descriptors enough.
const CONNECTIONS: usize = 512;
/// One connection for this many descriptors: most of them are the deliveries'.
const SHARE: u64 = 4;
/// Longest time for the head of a request, and for a connection to wait for the next one.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Pause after the system could not hand over a connection: it would say the same again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that are served at a time: with few descriptors few.
pub(super) fn seats() -> usize {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    descriptors
        .map_or(CONNECTIONS, |all| usize::try_from(all / SHARE).unwrap_or(CONNECTIONS).clamp(4, CONNECTIONS))
}

/// Serves until `asked`, then until the requests that are under way have been answered.
pub async fn serve(listener: TcpListener, routes: Router, asked: CancellationToken) {
    let (hall, tracker) = (Hall::new(seats()), TaskTracker::new());
    while let Some(stream) = accept(&listener, &hall, &asked).await {
        let Some(seat) = hall.seat(&asked).await else { break };
        tracker.spawn(connection(stream, routes.clone(), seat, asked.clone()));
    }
    drop(listener);
    tracker.close();
    tracker.wait().await;
}

/// The next connection; `None` once the end is asked for.
async fn accept(listener: &TcpListener, hall: &Hall, asked: &CancellationToken) -> Option<TcpStream> {
    let mut told = false;
    loop {
        let accepted = tokio::select! {
            () = asked.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => return Some(stream),
            Err(err) if chimera_agent::process::is_passing(&err) => {
                if !told {
                    tracing::warn!(error = %err, "no connection can be taken at the moment");
                }
                told = true;
                hall.make_room();
                tokio::select! { () = asked.cancelled() => return None, () = tokio::time::sleep(PAUSE) => () }
            }
            // The other side was gone before it was its turn.
            Err(_) => {}
        }
    }
}

async fn connection(stream: TcpStream, routes: Router, seat: Arc<Seat>, asked: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let taken = seat.clone();
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let (routes, busy) = (routes.clone(), Busy::new(&taken));
        async move {
            let response = routes.oneshot(request.map(Body::new)).await?;
            Ok::<_, std::convert::Infallible>(response.map(|body| Answer { body, busy: Some(busy) }))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    let ended = tokio::select! {
        _ = served.as_mut() => true,
        () = asked.cancelled() => false,
        () = seat.leave.cancelled() => false,
    };
    // hyper waits for the first request of a connection even then.
    if !ended && !seat.is_fresh() {
        served.as_mut().graceful_shutdown();
        let _ = served.await;
    }
}

/// All seats, and the connections that wait in theirs.
struct Hall {
    seats: Arc<Semaphore>,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// By when they began to wait: a number that ascends.
    by_age: Mutex<(u64, BTreeMap<u64, CancellationToken>)>,
    one_more: Notify,
}

/// The place of one connection.
struct Seat {
    waiting: Arc<Waiting>,
    /// Its entry there, and whether it never had a request.
    state: Mutex<(Option<u64>, bool)>,
    leave: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Hall {
    fn new(seats: usize) -> Self {
        Self { seats: Arc::new(Semaphore::new(seats)), waiting: Arc::default() }
    }

    /// Asks the connection that has waited longest to leave.
    fn make_room(&self) {
        let oldest = lock(&self.waiting.by_age).1.pop_first();
        if let Some((_, leave)) = oldest {
            leave.cancel();
        }
    }

    /// A free seat; `None` once the end is asked for.
    async fn seat(&self, asked: &CancellationToken) -> Option<Arc<Seat>> {
        let mut free = pin!(self.seats.clone().acquire_owned());
        let permit = loop {
            if self.seats.available_permits() == 0 {
                self.make_room();
            }
            tokio::select! {
                biased;
                permit = &mut free => break permit.ok()?,
                () = self.waiting.one_more.notified() => (),
                () = asked.cancelled() => return None,
            }
        };
        let (waiting, leave) = (self.waiting.clone(), CancellationToken::new());
        let seat = Arc::new(Seat { waiting, state: Mutex::new((None, true)), leave, _permit: permit });
        seat.wait();
        Some(seat)
    }
}

impl Seat {
    fn wait(&self) {
        let mut by_age = lock(&self.waiting.by_age);
        by_age.0 += 1;
        let number = by_age.0;
        by_age.1.insert(number, self.leave.clone());
        drop(by_age);
        lock(&self.state).0 = Some(number);
        self.waiting.one_more.notify_one();
    }

    fn work(&self) {
        self.no_longer();
        lock(&self.state).1 = false;
    }

    /// Takes it from those that wait.
    fn no_longer(&self) {
        let number = lock(&self.state).0.take();
        if let Some(number) = number {
            lock(&self.waiting.by_age).1.remove(&number);
        }
    }

    fn is_fresh(&self) -> bool {
        lock(&self.state).1
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.no_longer();
    }
}

/// A request is under way; dropped with the last byte of its answer.
struct Busy(Arc<Seat>);

impl Busy {
    fn new(seat: &Arc<Seat>) -> Self {
        seat.work();
        Self(seat.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// The body of an answer.
struct Answer {
    body: Body,
    busy: Option<Busy>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.busy = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
