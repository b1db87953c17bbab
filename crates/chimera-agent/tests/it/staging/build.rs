//! Builds: what they know, what they leave, and how they fail.

use super::*;
use chimera_agent::staging::Step;

fn built(static_dir: &str, build: &str) -> How {
    How::Static { static_dir: static_dir.to_owned(), build: Some(build.to_owned()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_files_may_be_built_first_and_the_build_knows_where_they_will_be() {
    let house = House::new();
    let how =
        built("dist", "mkdir dist && echo $PORT $CHIMERA_STAGING_URL $CHIMERA_REVISION > dist/index.html");
    let made = house.deploy(&how, &digest('a'), &[]).await.expect("up");
    let port = made.url.rsplit(':').next().expect("a port");
    let page = fetch(&made.url, "/").await;
    assert!(page.ends_with(&format!("{port} {} {}\n", made.url, digest('a'))), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_build_of_a_server_knows_its_port() {
    let house = House::new();
    let how = How::Start(Server {
        build: Some("echo $PORT $CHIMERA_STAGING_URL > index.html".to_owned()),
        ..Server::new("exec python3 -m http.server --bind 127.0.0.1 $PORT")
    });
    let made = house.deploy(&how, &digest('a'), &[]).await.expect("up");
    let port = made.url.rsplit(':').next().expect("a port");
    assert!(fetch(&made.url, "/").await.ends_with(&format!("{port} {}\n", made.url)));
}

#[tokio::test]
async fn a_build_that_fails_says_how_with_the_end_of_its_log() {
    let house = House::new();
    std::fs::write(house.log(), "of an earlier deployment\n").expect("a log");
    let failed = house.deploy(&built(".", "echo no compiler; false"), &digest('a'), &[]).await;
    let Err(StagingError::Failed(failure)) = failed else { panic!("{failed:?}") };
    assert_eq!((failure.step, failure.log_end.as_str()), (Step::Build, "no compiler\n"));
    assert_eq!(failure.summary, "the build ended with exit code 1");
    assert!(!house.file("").exists(), "nothing of it is left");
}

#[tokio::test]
async fn a_build_or_server_that_something_outside_ended_is_not_the_commits_fault() {
    let house = House::new();
    for how in [built(".", "kill -9 $$"), How::Start(Server::new("kill -9 $$"))] {
        let ended = house.deploy(&how, &digest('a'), &[]).await;
        let Err(StagingError::Passing(why)) = ended else { panic!("{ended:?}") };
        assert!(why.contains("was ended from outside, by signal 9"), "{why}");
    }
}

#[tokio::test]
async fn a_build_has_to_leave_the_directory_and_it_has_to_lie_in_the_commit() {
    for (how, expected) in [
        (built("dist", "true"), "the build left no directory `dist`"),
        (built("dist", "ln -s /etc dist"), "`dist` leads out of the commit's files"),
        (built("dist", "touch dist"), "`dist` is not a directory after the build"),
    ] {
        let house = House::new();
        let err = house.deploy(&how, &digest('a'), &[]).await.expect_err("it cannot be served");
        assert!(matches!(err, StagingError::Failed(_)) && err.to_string().contains(expected), "{err}");
    }
}
