//! `docs/core-cases.md` against the sources: what it calls held has a test
//! that carries the id.

use std::{fs, path::Path};

/// Cases that the page must have a row for.
const CORE: usize = 56;

const PAGE: &str = include_str!("../../../../docs/core-cases.md");

struct Row {
    id: String,
    stands: String,
}

fn rows(page: &str) -> Vec<Row> {
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, id, _, stands, _] = cells.as_slice() else {
            return None;
        };
        let (group, number) = id.split_once('-')?;
        let is_id = group.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        is_id.then(|| Row {
            id: (*id).to_owned(),
            stands: (*stands).to_owned(),
        })
    };
    page.lines().filter_map(row).collect()
}

/// Every test function's name in the workspace.
fn function_names(folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            function_names(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable source");
            let words = text.split("fn ").skip(1);
            names.extend(
                words
                    .filter_map(|rest| rest.split('(').next())
                    .map(str::to_owned),
            );
        }
    }
}

/// What the page says and the sources do not bear out.
fn faults(rows: &[Row], names: &[String]) -> Vec<String> {
    let fault = |row: &Row| {
        let marker = row.id.to_ascii_lowercase().replace('-', "_");
        let is_tested = names.iter().any(|name| name.contains(&marker));
        match (row.stands.as_str(), is_tested) {
            ("held", true) => None,
            ("held", false) => Some(format!("{} is called held and has no test", row.id)),
            (stands, false) if stands.starts_with("open: ") => None,
            (stands, true) if stands.starts_with("open: ") => {
                Some(format!("{} is called open and has a test", row.id))
            }
            (stands, _) => Some(format!("{} is neither held nor open: {stands}", row.id)),
        }
    };
    rows.iter().filter_map(fault).collect()
}

#[test]
fn the_page_of_core_cases_is_true() {
    let rows = rows(PAGE);
    assert_eq!(rows.len(), CORE);
    let mut names = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    function_names(&crates, &mut names);
    assert_eq!(faults(&rows, &names), Vec::<String>::new());
}

#[test]
fn a_claim_without_a_test_is_noticed() {
    let row = |stands: &str| {
        let (id, stands) = ("SIG-001".to_owned(), stands.to_owned());
        [Row { id, stands }]
    };
    let tested = ["sig_001_none".to_owned()];
    assert!(faults(&row("held"), &tested).is_empty());
    assert_eq!(faults(&row("held"), &[]).len(), 1);
    assert_eq!(faults(&row("open: nothing"), &tested).len(), 1);
    assert_eq!(faults(&row("soon"), &tested).len(), 1);
}
