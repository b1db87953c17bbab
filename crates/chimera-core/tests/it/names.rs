//! Names: ids, digests, slugs, words of the API.

use chimera_core::slug::{SLUG_BYTES, slug};
use chimera_core::{Digest, Phase, Priority, Reason, Role, Status, TaskId, UnixMillis, Workflow};
use proptest::prelude::*;

#[test]
fn a_task_id_is_the_prefix_and_twelve_to_thirty_two_digits() {
    let good = ["chimera-0123456789ab", "chimera-0123456789abcdef0123456789abcdef"];
    for text in good {
        assert_eq!(TaskId::parse(text).expect("an id").as_str(), text);
    }
    let bad = [
        "",
        "chimera-",
        "chimera-0123456789a",
        "chimera-0123456789AB",
        "chimera-0123456789ag",
        "chimera-0123456789ab/..",
        "chimera-0123456789abcdef0123456789abcdef0",
        "task-0123456789ab",
        "0123456789ab",
        " chimera-0123456789ab",
    ];
    for text in bad {
        assert!(TaskId::parse(text).is_err(), "{text}");
        let json = serde_json::to_string(text).expect("a text");
        assert!(serde_json::from_str::<TaskId>(&json).is_err(), "{text}");
    }
    let told = TaskId::parse(&"x".repeat(10_000)).expect_err("no id").to_string();
    assert!(told.len() < 200, "the error does not repeat what it was given at length");
}

#[test]
fn an_id_from_bits_names_its_branch() {
    assert_eq!(TaskId::from_bits(0xabc).as_str(), "chimera-000000000abc");
    let id = TaskId::from_bits(u64::MAX);
    assert_eq!(id.branch(), "chimera/chimera-ffffffffffff");
    assert_eq!(TaskId::parse(id.as_str()), Ok(id));
}

#[test]
fn ids_ascend_with_the_time_whatever_their_tails() {
    let id = |at, tail| TaskId::new(UnixMillis(at), tail);
    assert_eq!(id(1_893_484_800_000, 0x1a2b).as_str(), "chimera-1b8dc7d2800000001a2b");
    let last = (1 << TaskId::TAIL_BITS) - 1;
    for pair in
        [(id(-1, 0), id(1, 0)), (id(1, 0), id(1, 1)), (id(1, last), id(2, 0)), (id(9, u64::MAX), id(16, 0))]
    {
        assert!(pair.0 < pair.1, "{pair:?}");
    }
    assert_eq!(TaskId::parse(id(i64::MAX, u64::MAX).as_str()), Ok(id(i64::MAX, last)));
}

#[test]
fn a_digest_has_forty_or_sixty_four_lower_case_digits() {
    for length in 0..=130 {
        assert_eq!(Digest::parse(&"a".repeat(length)).is_ok(), length == 40 || length == 64, "{length}");
    }
    assert!(Digest::parse(&"A".repeat(40)).is_err());
    assert!(Digest::parse(&"g".repeat(64)).is_err());
    assert!(Digest::parse(&"é".repeat(20)).is_err(), "forty bytes that are no digits");
    let digest = Digest::parse(&"0123456789".repeat(4)).expect("a digest");
    assert_eq!(digest.short(), "012345678901");
}

#[test]
fn a_slug_is_made_of_the_words_that_fit() {
    let cases = [
        ("User can view homepage", "user_can_view_homepage"),
        ("  Größe -- L/XL!  ", "gr_e_l_xl"),
        ("日本語", "feature"),
        ("", "feature"),
        ("../../etc/passwd", "etc_passwd"),
    ];
    for (sentence, expected) in cases {
        assert_eq!(slug(sentence), expected);
    }
    assert_eq!(slug(&"a".repeat(100)), "a".repeat(60));
    assert_eq!(slug(&format!("a {}", "b".repeat(58))), format!("a_{}", "b".repeat(58)));
    assert_eq!(slug(&format!("a {}", "b".repeat(59))), "a");
}

proptest! {
    #[test]
    fn a_slug_is_always_a_file_name(sentence in "\\PC{0,200}") {
        let slug = slug(&sentence);
        prop_assert!((1..=SLUG_BYTES).contains(&slug.len()));
        prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        prop_assert!(!slug.starts_with('_') && !slug.ends_with('_') && !slug.contains("__"));
    }

    #[test]
    fn every_id_from_bits_can_be_read_back(bits: u64) {
        let id = TaskId::from_bits(bits);
        prop_assert_eq!(TaskId::parse(id.as_str()), Ok(id));
    }
}

#[test]
fn priorities_are_whole_numbers_from_one_to_ten() {
    for value in -1..=12 {
        assert_eq!(Priority::new(value).is_ok(), (1..=10).contains(&value), "{value}");
    }
    assert!(Priority::new(i64::MAX).is_err());
    for json in ["0", "11", "\"high\"", "5.5", "null", "-3"] {
        assert!(serde_json::from_str::<Priority>(json).is_err(), "{json}");
    }
    assert_eq!(Priority::default().get(), 5);
}

#[test]
fn names_can_be_read_back_and_are_those_of_json() {
    for phase in Phase::ALL {
        assert_eq!(Phase::parse(phase.as_str()), Some(phase));
        assert_eq!(serde_json::json!(phase), phase.as_str());
    }
    for status in Status::ALL {
        assert_eq!(Status::parse(status.as_str()), Some(status));
        assert_eq!(serde_json::json!(status), status.as_str());
    }
    for role in Role::ALL {
        assert_eq!(serde_json::json!(role), role.as_str());
    }
    for reason in chimera_core::Reason::ALL {
        assert_eq!(serde_json::json!(reason), reason.as_str());
    }
}

#[test]
fn progress_counts_the_phase_that_runs_and_a_failed_task_shows_how_far_it_came() {
    let at = |phase| Workflow { phase, ..Workflow::new() }.progress();
    assert_eq!(at(Phase::E2eTestGeneration), "1/7 phases complete");
    assert_eq!(at(Phase::CodeImplementation), "2/7 phases complete");
    assert_eq!(at(Phase::Complete), "7/7 phases complete");
    let failed = Workflow { phase: Phase::Failed, failed_in: Some(Phase::GuardianReview), ..Workflow::new() };
    assert_eq!(failed.progress(), "3/7 phases complete");
}

/// A daemon that does not know a word must not read it: whoever adds one adds one to the number, here and there.
#[test]
fn a_new_word_is_a_new_vocabulary() {
    let words: Vec<&str> = Phase::ALL
        .iter()
        .map(|phase| phase.as_str())
        .chain(Reason::ALL.iter().map(|reason| reason.as_str()))
        .chain(Status::ALL.iter().map(|status| status.as_str()))
        .collect();
    assert_eq!((chimera_core::VOCABULARY, words.len()), (1, 30), "{words:?}");
}
