//! Lists, events and evidence, page by page.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, later, new_task, numbers, settled};
use chimera_core::{Digest, Evidence, EvidenceKind, Gates, Phase, Status};
use chimera_store::StoreError;
use chimera_store::read::{self, Filter, PAGE};
use chimera_store::submit::submit;

conformance! {
    pages_hold_every_task_once_newest_first,
    filters_narrow_and_take_their_text_literally,
    events_go_on_where_the_last_page_ended,
    a_filter_that_finds_little_looks_at_a_bounded_number_of_tasks,
    evidence_is_listed_in_the_order_in_which_it_was_left,
}

async fn all_pages(house: &House, filter: Filter, limit: u32) -> Vec<Vec<u64>> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let (filter, at) = (filter.clone(), cursor);
        let page = house.store.read(move |tx| read::list(tx, &filter, at.as_deref(), limit)).await;
        let page = page.expect("readable");
        pages.push(numbers(&page.items));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return pages,
        }
    }
}

async fn pages_hold_every_task_once_newest_first(house: House) {
    for number in 0..7 {
        let mut new = new_task(number);
        // Two at a time at the same millisecond.
        new.now = later(number / 2);
        house.submit(new).await;
    }
    let pages = all_pages(&house, Filter::default(), 3).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), [6, 5, 4, 3, 2, 1, 0]);
    let exact = all_pages(&house, Filter::default(), 7).await;
    assert_eq!(exact.len(), 1, "no empty page at the end");
    for broken in ["", "7", "x.y", "17.nothing"] {
        let bad = house.store.read(move |tx| read::list(tx, &Filter::default(), Some(broken), 3)).await;
        assert!(matches!(bad, Err(StoreError::BadCursor)), "{broken:?}");
    }
}

async fn filters_narrow_and_take_their_text_literally(house: House) {
    let texts = ["Show 100% of prices", "show prices", "User_name", "username", "wow!"];
    for (number, text) in (0..).zip(texts) {
        let mut new = new_task(number);
        new.request.feature = text.to_owned();
        new.project = if number < 2 { "shop" } else { "blog" }.to_owned();
        let label = if number == 3 { "a\"b" } else { "team" };
        new.request.labels = [(label.to_owned(), number.to_string())].into();
        house.submit(new).await;
    }
    let find = |filter: Filter| {
        let house = &house;
        async move { all_pages(house, filter, PAGE).await.concat() }
    };
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
    let label = |key: &str, value: &str| Filter {
        label: vec![(key.to_owned(), value.to_owned())],
        ..Filter::default()
    };
    assert_eq!(find(text("SHOW")).await, [1, 0]);
    assert_eq!(find(text("0%")).await, [0]);
    assert_eq!(find(text("r_n")).await, [2]);
    assert_eq!(find(text("!")).await, [4]);
    assert_eq!(find(label("team", "2")).await, [2]);
    assert_eq!(find(label("a\"b", "3")).await, [3]);
    assert_eq!(find(label("team", "3")).await, [0; 0]);
    assert_eq!(find(Filter { project: Some("shop".to_owned()), ..text("100") }).await, [0]);
    house.claim("one", NOW, 1).await;
    assert_eq!(find(Filter { status: vec![Status::Running], ..Filter::default() }).await, [0]);
    let both = vec![Status::Running, Status::Queued];
    assert_eq!(find(Filter { status: both, ..Filter::default() }).await.len(), 5);
}

async fn events_go_on_where_the_last_page_ended(house: House) {
    house
        .store
        .write(|tx| (0..u64::from(PAGE) + 50).try_for_each(|n| submit(tx, &new_task(n)).map(drop)))
        .await
        .expect("accepted");
    let events = |task: Option<u64>, after| {
        house.store.read(move |tx| read::events(tx, task.map(id).as_ref(), after, u32::MAX))
    };
    let first = events(None, 0).await.expect("readable");
    assert_eq!(first.len(), PAGE as usize);
    let rest = events(None, first[first.len() - 1].id).await.expect("readable");
    assert_eq!(rest.len(), 50);
    let ids: Vec<i64> = first.iter().chain(&rest).map(|event| event.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let own = events(Some(7), 0).await.expect("readable");
    assert_eq!(own.iter().map(|event| event.task_id.clone()).collect::<Vec<_>>(), [id(7)]);
}

async fn evidence_is_listed_in_the_order_in_which_it_was_left(house: House) {
    let task = house.running(1, "one").await;
    let proof = |name: &str, digit: &str| Evidence {
        sha256: Digest::parse(&digit.repeat(64)).expect("64 digits"),
        kind: EvidenceKind::Report,
        name: name.to_owned(),
        size: 7,
        phase: Phase::E2eTestGeneration,
        attempt: 1,
    };
    let left = vec![proof("red.json", "b"), proof("red.png", "a"), proof("red-again.json", "b")];
    let transition = settled(&task, failure(), NOW);
    let gates = Gates::default();
    house.record(&task, epoch(&task), transition, &left, &gates).await.expect("the lease holds");
    let found = house.store.read(|tx| read::evidence(tx, &id(1))).await.expect("readable");
    assert_eq!(found, left);
}

/// The only task that the filter lets through is the oldest of many: each page looks at a part, and names the next.
async fn a_filter_that_finds_little_looks_at_a_bounded_number_of_tasks(house: House) {
    let mut new = new_task(1);
    new.now = chimera_core::UnixMillis(0);
    new.request.feature = "the needle".to_owned();
    house.submit(new).await;
    let past =
        |tx: &mut chimera_store::Tx<'_>| chimera_store::past::add(tx, 0, read::EXAMINED * 3 / 2, NOW, false);
    house.store.write(past).await.expect("possible");
    let pages = all_pages(&house, Filter { text: Some("needle".to_owned()), ..Filter::default() }, 5).await;
    assert_eq!(pages, [vec![], vec![1]]);
    let queued =
        Filter { status: vec![Status::Queued], text: Some("needle".to_owned()), ..Filter::default() };
    assert_eq!(all_pages(&house, queued, 5).await, [vec![1]], "those of other statuses are not looked at");
}
