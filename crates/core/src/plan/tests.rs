use super::*;

#[test]
fn a_measure_is_its_number_and_its_unit() {
    for (measure, value, unit) in [(Measure::Count(7), 7, "Count"), (Measure::Seconds(90), 90, "Seconds")] {
        assert_eq!((measure.value(), measure.unit()), (value, unit));
    }
}

#[test]
fn what_is_left_alone_beyond_the_limit_is_counted() {
    let mut plan: Plan<String> = Plan::within(2);
    plan.keep("a", Reason::Locked);
    plan.keep_also(
        vec![
            Kept { resource: "b".to_owned(), reason: Reason::Gone },
            Kept { resource: "c".to_owned(), reason: Reason::Gone },
        ],
        [("gone", 3), ("locked", 1)].into(),
    );
    plan.keep("d", Reason::Locked);
    assert_eq!(plan.kept.iter().map(|kept| kept.resource.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(plan.kept_unlisted, [("gone", 4), ("locked", 2)].into());
}

#[test]
fn what_is_found_beyond_the_limit_is_counted() {
    let mut plan: Plan<String> = Plan::within(2);
    for resource in ["a", "b", "c", "d"] {
        let (kind, text) = (FindingKind::Undated, || resource.to_owned());
        plan.find(Finding { kind, resource: text(), what: text(), since: None, todo: text() });
    }
    assert_eq!(plan.findings.iter().map(|finding| finding.resource.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(plan.findings_unlisted, 2);
}

#[test]
fn the_kinds_are_told_in_one_order() {
    assert!(FindingKind::ALL.is_sorted_by(|a, b| a < b));
}

#[test]
fn each_text_of_a_finding_is_made_fit_for_a_line() {
    let kind = FindingKind::Failed;
    let text = || "a\nb".to_owned();
    let told = Finding { kind, resource: text(), what: text(), since: None, todo: text() }.plain();
    for plain in [told.resource, told.what, told.todo] {
        assert_eq!(plain, "a\\nb");
    }
}
