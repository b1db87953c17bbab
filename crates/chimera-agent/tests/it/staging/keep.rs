//! What stays and what goes: nothing that is being built, started or served by anybody.

use super::*;
use chimera_agent::staging::Stay;

/// A server that serves its directory.
const SERVE: &str = "exec python3 -m http.server --bind 127.0.0.1 $PORT";
const WAIT: &str = "mkfifo wait && ls > before && read line < wait && ls > after && ";

/// Every sweep that there is: of this daemon, of a later moment, and of another daemon that starts.
async fn sweep_all(house: &House) {
    house.staging.sweep(NOW, &HashMap::new()).await;
    house.staging.sweep(NOW.plus(TTL * 100), &HashMap::from([(id(1), Stay::Over)])).await;
    let other = Staging::new(house.dir.path());
    other.sweep(NOW.plus(TTL * 100), &HashMap::from([(id(1), Stay::Over)])).await;
    other.restore(NOW).await;
    other.withdraw(&id(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sweep_touches_what_is_being_built() {
    let house = House::new();
    let how = How::Start(Server { build: Some(format!("{WAIT} true")), ..Server::new(SERVE) });
    let swept = async {
        pipe(&house.file("files/wait")).await;
        sweep_all(&house).await;
        let_go(&house.file("files/wait")).await;
    };
    let revision = digest('a');
    let (made, ()) = tokio::join!(house.deploy(&how, &revision, &[("index.html", "kept")]), swept);
    let made = made.expect("up");
    assert!(fetch(&made.url, "/").await.ends_with("kept"));
    assert!(fetch(&made.url, "/after").await.contains("index.html"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sweep_touches_what_is_being_started() {
    let house = House::new();
    let how = app(&format!("{WAIT} {SERVE}"));
    let swept = async {
        pipe(&house.file("files/wait")).await;
        sweep_all(&house).await;
        let_go(&house.file("files/wait")).await;
    };
    let revision = digest('a');
    let (made, ()) = tokio::join!(house.deploy(&how, &revision, &[("index.html", "kept")]), swept);
    assert!(fetch(&made.expect("up").url, "/after").await.contains("index.html"));
}

/// Waits until there is a pipe.
async fn pipe(path: &Path) {
    while !path.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_daemon_serves_stays_and_this_one_serves_beside_it() {
    let house = House::new();
    let first = house.deploy(&site(), &digest('a'), &[("index.html", "first")]).await.expect("up");
    let other = Staging::new(house.dir.path());
    other.restore(NOW).await;
    other.sweep(NOW.plus(TTL * 2), &HashMap::new()).await;
    assert!(!other.has(&id(1), &digest('a')), "it is not this one's to serve");
    let second =
        house.deploy_by(&other, &site(), &digest('b'), &[("index.html", "second")]).await.expect("up");
    assert!(fetch(&first.url, "/").await.ends_with("first"));
    assert!(fetch(&second.url, "/").await.ends_with("second"));
    let third = Staging::new(house.dir.path());
    assert!(!third.has(&id(1), &digest('a')) && !third.has(&id(1), &digest('b')), "both are served");
    for staging in [&house.staging, &other] {
        staging.shutdown(&CancellationToken::new()).await;
    }
    assert!(third.has(&id(1), &digest('a')) || third.has(&id(1), &digest('b')), "they are free");
    third.withdraw(&id(1)).await;
    assert_eq!(third.tasks(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_deployments_of_a_task_the_newest_is_served_again() {
    let house = House::new();
    let other = Staging::new(house.dir.path());
    for (staging, revision, later) in
        [(&other, digest('b'), TTL), (&house.staging, digest('a'), Duration::ZERO)]
    {
        let (source, log, task, how) = (house.source(&[("index.html", "x")]), house.log(), id(1), site());
        let deploy = Deploy { now: NOW.plus(later), ..deploy(&task, &revision, &source, &how, &log) };
        staging.deploy(deploy, &CancellationToken::new()).await.expect("up");
    }
    for staging in [&house.staging, &other] {
        staging.shutdown(&CancellationToken::new()).await;
    }
    let next = Staging::new(house.dir.path());
    assert!(next.has(&id(1), &digest('b')) && !next.has(&id(1), &digest('a')));
    let again = next.ensure(&id(1), &CancellationToken::new()).await.expect("up");
    assert_eq!(again.revision, digest('b'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_daemon_that_is_gone_was_building_is_removed() {
    let house = House::new();
    let place = house.file("");
    std::fs::create_dir_all(place.join("files/node_modules")).expect("a directory");
    let gone = house.dir.path().join("staging/.gone-abc/files");
    std::fs::create_dir_all(&gone).expect("a directory");
    house.staging.restore(NOW).await;
    assert!(!place.exists() && !gone.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_or_cancelled_task_keeps_no_deployment_and_one_that_is_worked_on_keeps_it() {
    let house = House::new();
    let made = house.deploy(&app(SERVE), &digest('a'), &[]).await.expect("up");
    house.staging.sweep(NOW.plus(TTL * 2), &HashMap::from([(id(1), Stay::WorkedOn)])).await;
    assert!(fetch(&made.url, "/").await.contains("200"));
    house.staging.sweep(NOW, &HashMap::from([(id(1), Stay::UntilExpiry)])).await;
    assert!(fetch(&made.url, "/").await.contains("200"));
    house.staging.sweep(NOW, &HashMap::from([(id(1), Stay::Over)])).await;
    assert_eq!(fetch(&made.url, "/").await, "");
    assert!(!house.file("").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_home_lives_as_long_as_its_deployment_and_is_new_for_the_next_one() {
    let house = House::new();
    let how = How::Start(Server {
        build: Some(
            "test ! -e $HOME/cache && mkdir -p $HOME/cache/locked && chmod 500 $HOME/cache/locked".to_owned(),
        ),
        ..Server::new(&format!("touch $HOME/here $TMPDIR/here && cd $HOME && {SERVE}"))
    });
    let made = house.deploy(&how, &digest('a'), &[]).await.expect("up");
    assert!(fetch(&made.url, "/tmp/here").await.contains("200"));
    let again = house.deploy(&how, &digest('b'), &[]).await.expect("nothing is left of the first one");
    assert_eq!(made.url, again.url);
    house.staging.withdraw(&id(1)).await;
    assert!(!house.file("").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_was_being_replaced_when_the_daemon_died_is_not_taken_for_whole() {
    let house = House::new();
    house.deploy(&site(), &digest('a'), &[("index.html", "base")]).await.expect("up");
    let how =
        How::Static { static_dir: ".".to_owned(), build: Some("mkfifo wait; read line < wait".to_owned()) };
    let (source, log) = (house.source(&[]), house.log());
    let (task, revision) = (id(1), digest('b'));
    let stop = CancellationToken::new();
    let wait = house.file("files/wait");
    let building = house.staging.deploy(deploy(&task, &revision, &source, &how, &log), &stop);
    // The future is dropped in the middle of the build, as a daemon that dies leaves it.
    tokio::select! {
        _ = building => panic!("it is still being built"),
        () = pipe(&wait) => {}
    }
    let next = Staging::new(house.dir.path());
    assert!(!next.has(&id(1), &digest('a')) && !next.has(&id(1), &digest('b')));
    next.restore(NOW).await;
    assert!(!house.file("").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_ended_side_by_side_and_at_once_if_need_be() {
    let house = House::new();
    let deaf = "trap '' TERM; python3 -c 'import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)
import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, bind=\"127.0.0.1\", port='$PORT')'";
    let how = How::Start(Server { stop_timeout: Duration::from_secs(300), ..Server::new(deaf) });
    let mut urls = Vec::new();
    for number in 1..=3 {
        let (source, log, revision, task) = (house.source(&[]), house.log(), digest('a'), id(number));
        let deploy = deploy(&task, &revision, &source, &how, &log);
        let made = house.staging.deploy(deploy, &CancellationToken::new()).await;
        urls.push(made.expect("up").url);
    }
    let at_once = CancellationToken::new();
    at_once.cancel();
    house.staging.shutdown(&at_once).await;
    for url in urls {
        assert_eq!(fetch(&url, "/").await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_take_its_time_to_end() {
    let house = House::new();
    // More than the two seconds that every server got once.
    let slow = format!(
        "trap 'sleep 2.5; touch $HOME/clean; exit' TERM; {} & wait",
        SERVE.trim_start_matches("exec ")
    );
    house.deploy(&app(&slow), &digest('a'), &[]).await.expect("up");
    house.staging.shutdown(&CancellationToken::new()).await;
    assert!(house.file("home/clean").exists());
}
