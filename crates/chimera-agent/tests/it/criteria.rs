//! The grammar of acceptance criteria.

use chimera_agent::criteria::{
    CriteriaError, Criterion, CriterionError, VALUE_BYTES, derive, parse, parse_all,
};

fn owned(sentences: &[&str]) -> Vec<String> {
    sentences.iter().map(|sentence| (*sentence).to_owned()).collect()
}

fn every_form(value: &str) -> Vec<Criterion> {
    let v = || value.to_owned();
    vec![
        Criterion::Open("/books.html?page=2#top".to_owned()),
        Criterion::SeeHeading(v()),
        Criterion::SeeText(v()),
        Criterion::SeeLink(v()),
        Criterion::SeeButton(v()),
        Criterion::TitleIs(v()),
        Criterion::NotSeeText(v()),
        Criterion::Click(v()),
        Criterion::ClickLink(v()),
        Criterion::ClickButton(v()),
        Criterion::Fill { label: v(), value: v() },
        Criterion::Choose { option: v(), label: v() },
        Criterion::Check(v()),
        Criterion::UrlIs("/".to_owned()),
    ]
}

#[test]
fn every_form_reads_back_what_it_displays() {
    for value in
        ["Books", "Don't panic", "say \"hi\"", "back\\slash", "\\", "\\\"", "“Täst” 本", "a. b, c!", "/x"]
    {
        for criterion in every_form(value) {
            assert_eq!(parse(&criterion.to_string()), Ok(criterion.clone()), "{criterion}");
        }
    }
}

#[test]
fn sentences_may_be_written_the_way_people_write() {
    let heading = Criterion::SeeHeading("Our Books".to_owned());
    let cases = [
        ("see heading \"Our Books\"", heading.clone()),
        ("User can see the heading “Our Books”.", heading.clone()),
        ("  THEN I should SEE a heading: 'Our Books'", heading.clone()),
        ("and users see heading „Our   Books“", heading.clone()),
        ("The visitor can see heading «Our Books»!", heading),
        ("go to \"/books\"", Criterion::Open("/books".to_owned())),
        ("When I open /books.", Criterion::Open("/books".to_owned())),
        ("see title 'Shop'", Criterion::TitleIs("Shop".to_owned())),
        ("the title is 'Shop'", Criterion::TitleIs("Shop".to_owned())),
        ("don't see text \"Error\"", Criterion::NotSeeText("Error".to_owned())),
        ("I don’t see the text ‘Error’", Criterion::NotSeeText("Error".to_owned())),
        ("user cannot see text \"Error\"", Criterion::NotSeeText("Error".to_owned())),
        ("User should not see text \"Error\"", Criterion::NotSeeText("Error".to_owned())),
        ("see text 'Don't panic'", Criterion::SeeText("Don't panic".to_owned())),
        ("click “Buy”", Criterion::Click("Buy".to_owned())),
        (
            "fill in \"Your name\" with '  Ada '",
            Criterion::Fill { label: "Your name".to_owned(), value: "  Ada ".to_owned() },
        ),
        (
            "and choose 'Red' from \"Colour\"",
            Criterion::Choose { option: "Red".to_owned(), label: "Colour".to_owned() },
        ),
        ("the url is \"/a?b=c\"", Criterion::UrlIs("/a?b=c".to_owned())),
    ];
    for (sentence, expected) in cases {
        assert_eq!(parse(sentence), Ok(expected), "{sentence}");
    }
}

#[test]
fn a_sentence_outside_the_grammar_is_told_the_nearest_form() {
    let cases = [
        ("see heading Books for sale", "see heading \"Books for sale\""),
        ("User can see headng \"Books\"", "see heading \"Books\""),
        ("see \"Books\"", "see text \"Books\""),
        ("not see heading \"Books\"", "not see text \"Books\""),
        ("press the button \"Buy\"", "click button \"Buy\""),
        ("select \"Red\" from \"Colour\"", "choose \"Red\" from \"Colour\""),
        ("fill \"Name\"", "fill \"Name\" with \"…\""),
        ("navigate to /about", "open \"/about\""),
        ("the page title should be \"Shop\"", "title is \"Shop\""),
        ("see heading \"A\" and link \"B\"", "see heading \"A\""),
        ("", "see text \"…\""),
        ("it works well", "see text \"it works well\""),
    ];
    for (sentence, expected) in cases {
        let expected = CriterionError::Unknown { suggestion: expected.to_owned() };
        assert_eq!(parse(sentence), Err(expected), "{sentence}");
    }
}

#[test]
fn more_than_a_form_asks_for_is_no_weaker_criterion_but_an_error() {
    for sentence in [
        "see heading \"Books\" in green",
        "see heading \"Books\" within 2 seconds",
        "not click \"Buy\"",
        "see not text \"Buy\"",
        "open \"/\" twice",
        "see heading or text \"Books\"",
    ] {
        assert!(matches!(parse(sentence), Err(CriterionError::Unknown { .. })), "{sentence}");
    }
}

#[test]
fn values_that_will_not_do_are_refused() {
    let long = format!("see text \"{}\"", "x".repeat(VALUE_BYTES + 1));
    for sentence in [
        "see text \"\"",
        "see text \"  \"",
        "see text \"a\u{7}b\"",
        "see text \"a\nb\"",
        "open \"books.html\"",
        "open \"https://example.com/\"",
        "open \"//example.com/\"",
        "open \"/\\example.com\"",
        "open \"/../secret\"",
        "open \"/a b\"",
        "url is \"javascript:alert(1)\"",
        "fill \"Name\" with \"\"",
        &long,
    ] {
        assert!(
            matches!(parse(sentence), Err(CriterionError::Value(_))),
            "{sentence}: {:?}",
            parse(sentence)
        );
    }
    assert_eq!(parse("see text \"Books"), Err(CriterionError::Unclosed("\"Books".to_owned())));
}

#[test]
fn a_list_names_the_sentence_that_is_wrong() {
    let err = parse_all(&owned(&["open \"/\"", "see headings \"Books\""])).unwrap_err();
    assert_eq!(
        err.to_string(),
        "criterion 2 (`see headings \"Books\"`): no such form of sentence; the nearest is: see heading \"Books\""
    );
}

#[test]
fn a_list_that_asserts_nothing_is_no_test() {
    assert_eq!(parse_all(&owned(&["open \"/\"", "click \"Buy\""])), Err(CriteriaError::NoAssertion));
    assert_eq!(parse_all(&[]), Err(CriteriaError::NoAssertion));
    assert_eq!(parse_all(&vec!["see text \"x\"".to_owned(); 51]), Err(CriteriaError::TooMany(51)));
    let parsed = parse_all(&owned(&["open \"/\"", "see text \"x\""])).unwrap();
    assert_eq!(parsed, [Criterion::Open("/".to_owned()), Criterion::SeeText("x".to_owned())]);
}

#[test]
fn a_feature_sentence_becomes_a_heading() {
    let cases = [
        ("User can view homepage", "Homepage"),
        ("Users can see the list of books.", "List of books"),
        ("As a customer, I want to see my orders so that I can pay them", "My orders"),
        ("As a shop owner I can open the FAQ", "FAQ"),
        ("A visitor should be able to read \"About us\"", "About us"),
        ("view homepage", "Homepage"),
        ("User can log in", "User can log in"),
        ("Add a contact form", "Add a contact form"),
        ("homepage", "Homepage"),
        ("User can view", "User can view"),
        ("Users can view prices. Prices are in euro.\nMore.", "Prices"),
        ("\n\n  User can\tview  homepage \n", "Homepage"),
        ("...", "Feature"),
        ("Über uns ansehen", "Über uns ansehen"),
    ];
    for (feature, heading) in cases {
        let expected = [Criterion::Open("/".to_owned()), Criterion::SeeHeading(heading.to_owned())];
        assert_eq!(derive(feature, "/"), expected, "{feature}");
    }
}

#[test]
fn derived_criteria_are_always_in_the_grammar() {
    let long = "long ".repeat(1000);
    for feature in [
        "User can view \u{0}\u{1b}[31m x",
        "a \\ \" ' ` \"\"\"",
        &long,
        &"é".repeat(500),
        "so that",
        "\u{2028}",
    ] {
        for path in ["/", "/a?b", "", "nonsense", "//evil.com", "/ä"] {
            let derived = derive(feature, path);
            for criterion in &derived {
                assert_eq!(parse(&criterion.to_string()).as_ref(), Ok(criterion), "{feature:?} {path:?}");
            }
            assert!(derived.iter().any(Criterion::is_assertion));
        }
    }
    assert_eq!(derive("User can view x", "//evil.com")[0], Criterion::Open("/".to_owned()));
}
