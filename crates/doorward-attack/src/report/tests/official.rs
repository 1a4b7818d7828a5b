//! Reports held against the published schemas, by validators that are not ours.
//! Schemas and validators are fetched by `.ci/steps.sh clients`; they are not
//! in the tree.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{NASTY, report};
use crate::report::{End, Report, json, junit, sarif};

#[test]
fn sarif_junit_and_json_are_of_their_schemas_with_0_1_and_500_findings() {
    let Some(schemas) = Schemas::found() else {
        return;
    };
    let place = tempfile::tempdir().expect("a place");
    for count in [0, 1, 500] {
        write(&place, &format!("complete-{count}"), &report(count));
    }
    let mut ended = report(1);
    for (name, end) in [
        ("void", End::Void(NASTY.to_owned())),
        ("budget", End::Budget("2,000 requests".to_owned())),
    ] {
        ended.end = end;
        write(&place, name, &ended);
    }
    let mut compared = report(1);
    compared.suppress(&[super::accepted("2027-01-01")]);
    let earlier = json(&report(500)).to_string();
    compared.compare(&earlier).expect("comparable");
    write(&place, "compared", &compared);
    assert_eq!(schemas.faults(&place), [""; 0]);

    // Validators that take everything would prove nothing.
    let broken = [
        ("log.sarif", r#"{"version": "2.1.0", "runs": [{}]}"#),
        ("suite.xml", "<testsuites><testcase/></testsuites>"),
        ("report.json", "{}"),
    ];
    let place = tempfile::tempdir().expect("a place");
    for (name, text) in broken {
        fs::write(place.path().join(name), text).expect("written");
    }
    let faults = schemas.faults(&place).join("\n");
    for (name, _) in broken {
        assert!(faults.contains(name), "{name} is taken: {faults}");
    }
}

fn write(place: &TempDir, name: &str, report: &Report) {
    let texts = [
        ("sarif", sarif(report).to_string()),
        ("xml", junit(report)),
        ("json", json(report).to_string()),
    ];
    for (kind, text) in texts {
        fs::write(place.path().join(format!("{name}.{kind}")), text).expect("written");
    }
}

/// The schemas and the Python that holds files against them.
struct Schemas {
    clients: PathBuf,
}

impl Schemas {
    /// None, loudly, where they are not fetched.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "cargo says where the target folder is; a skipped test says so"
    )]
    fn found() -> Option<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
            PathBuf::from,
        );
        let clients = target.join("clients");
        if clients.join("schemas/sarif-2.1.0.json").is_file() {
            return Some(Self { clients });
        }
        assert!(
            std::env::var_os("DOORWARD_REQUIRE_PARTS").is_none(),
            "the schemas are not on this machine and DOORWARD_REQUIRE_PARTS is set"
        );
        eprintln!("*** SKIPPED: run `.ci/steps.sh clients` for the schemas of SARIF and JUnit");
        None
    }

    /// What is wrong with the files of a folder.
    fn faults(&self, place: &TempDir) -> Vec<String> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(self.clients.join("python/bin/python"));
        command
            .arg(own.join("src/report/tests/official/validate.py"))
            .arg(self.clients.join("schemas/sarif-2.1.0.json"))
            .arg(self.clients.join("schemas/junit-10.xsd"))
            .arg(own.join("../../docs/attack-report.schema.json"));
        for file in fs::read_dir(place.path()).expect("a folder") {
            command.arg(file.expect("a file").path());
        }
        let output = command.output().expect("the validators run");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        let faults = String::from_utf8_lossy(&output.stdout);
        faults.lines().map(str::to_owned).collect()
    }
}
