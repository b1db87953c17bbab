//! Odd texts, wherever a text goes in: neither database refuses one, and both find it again.

use crate::fixture::{House, NOW, conformance, epoch, new_task, numbers};
use chimera_core::{Outcome, Reason, Scope, Setback};
use chimera_store::read::{self, Filter, PAGE};
use chimera_store::{StoreError, dead, hold};

conformance! {
    every_text_is_kept_and_found_again,
    a_failure_that_nobody_passes_on_is_not_answered_as_committed,
}

/// NUL, which PostgreSQL refuses; ends of escapes, wildcards, quotes, places of values; letters that other languages
/// write large; what is no character, what turns lines round, what lies beyond the first plane, and a long one.
fn odd() -> Vec<String> {
    let texts = [
        "\0",
        "a\0b",
        "\\",
        "x\\",
        "\\u0000",
        "%",
        "_",
        "!",
        "'",
        "\"",
        "$1",
        "?1",
        "--",
        ";",
        "É",
        "ÄÖ",
        "ß",
        "İ",
        "\u{fffd}",
        "\u{feff}",
        "\u{202e}",
        "\u{ffff}",
        "🎉",
        "\r\n",
        "\u{7f}",
        "\u{1b}[31m",
    ];
    texts.into_iter().map(str::to_owned).chain(["ж".repeat(5_000)]).collect()
}

async fn every_text_is_kept_and_found_again(house: House) {
    for (number, text) in (0..).zip(odd()) {
        let mut new = new_task(number);
        new.request.feature = format!("a feature {text}");
        new.project = format!("p{}", text.chars().take(50).collect::<String>());
        new.request.labels = [("k".to_owned(), text.clone())].into();
        let project = new.project.clone();
        house.submit(new).await;

        let find = |filter: Filter| {
            let house = &house;
            async move {
                let found = house.store.read(move |tx| read::list(tx, &filter, None, PAGE)).await;
                numbers(&found.expect("readable").items)
            }
        };
        for filter in [
            Filter { text: Some(text.clone()), ..Filter::default() },
            Filter { project: Some(project.clone()), ..Filter::default() },
            Filter { label: vec![("k".to_owned(), text.clone())], ..Filter::default() },
        ] {
            assert!(find(filter.clone()).await.contains(&number), "{filter:?}");
        }

        // What an agent says goes into the task, its journal and its agent's breaker.
        let task = house.claim("one", NOW, 1).await.pop().expect("it is taken");
        let outcome = Outcome::Failed(Setback::new(Reason::AgentError, text.clone()));
        house.settle(&task, epoch(&task), outcome, NOW).await.expect("recorded");
        let dead = dead::waiting(Filter { text: Some(text.clone()), ..Filter::default() });
        assert!(find(dead).await.contains(&number), "{text:?}");

        let (scope, reason) = (Scope::Agent(format!("agent {text}")), text.clone());
        let paused = scope.clone();
        house
            .store
            .write_alone(move |tx| hold::pause(tx, &paused, Some(&reason), NOW))
            .await
            .expect("paused");
        assert_eq!(house.store.read(hold::pauses).await.expect("readable").len(), 1);
        assert!(house.store.write(move |tx| hold::resume(tx, &scope)).await.expect("resumed"), "{text:?}");
    }
}

/// One alone, and one whose group has something to keep: an answer and what is in the database agree.
async fn a_failure_that_nobody_passes_on_is_not_answered_as_committed(house: House) {
    const ADD: &str = "INSERT INTO chores (name, due_at) VALUES ($1, 0)";
    let careless = |name: &'static str| {
        house.store.write(move |tx| {
            tx.execute(ADD, &[name.into()])?;
            assert!(tx.execute(ADD, &[name.into()]).is_err(), "there is such a row already");
            Ok(())
        })
    };
    let alone = careless("alone").await;
    let kept = house.store.write(|tx| tx.execute(ADD, &["kept".into()]));
    let (kept, beside) = tokio::join!(kept, careless("beside"));
    kept.expect("the other's failure is none of its business");
    for (name, answer) in [("alone", alone), ("beside", beside), ("kept", Ok(()))] {
        let sql = "SELECT COUNT(*) FROM chores WHERE name = $1";
        let found = house.store.read(move |tx| tx.query(sql, &[name.into()])).await.expect("readable");
        assert_eq!(found[0].int(0).expect("a count") == 1, answer.is_ok(), "{name}: {answer:?}");
        assert!(matches!(&answer, Ok(()) | Err(StoreError::Database(_))), "{name}: {answer:?}");
    }
}
