//! The collector of the configuration, and the spans on their way to it.

use std::{path::Path, sync::Arc};

use doorward_verify::clock::Clock;
use http::{HeaderMap, Uri};

use super::{Settings, certificates::is_kept_secret, verifiers::anchors};
use crate::{
    bounded_file,
    config::Tracing,
    exit::Failure,
    root_certificates::system_roots,
    system::SystemClock,
    traces::{self, Collector, Counts, Exporting, Origin, Sampling, Spans},
};

/// Largest file of fields that is read: as much as servers take for a head.
const LARGEST_FIELDS: usize = 16 * 1024;

/// Spans, their way out, and their numbers.
pub(super) struct Traces {
    pub(super) spans: Spans,
    pub(super) exporting: Exporting,
    pub(super) counts: Arc<Counts>,
}

impl Traces {
    /// Begins to send spans of a gateway that callers reach at `origin`, if the
    /// configuration names a collector.
    pub(super) fn start(settings: &Settings, origin: &str) -> Result<Option<Self>, Failure> {
        let Some(tracing) = &settings.config.tracing else {
            return Ok(None);
        };
        let folder = settings.config_file.as_deref().and_then(Path::parent);
        let collector = collector(tracing, folder.unwrap_or(Path::new("")))?;
        let sampling = Sampling {
            ratio: tracing.ratio,
            per_second: tracing.per_second,
            names_subject: tracing.subject,
        };
        let counts = Arc::new(Counts::default());
        let origin = spoken_of(&tracing.service_name, origin);
        let (spans, exporting) = traces::start(sampling, origin, collector, Arc::clone(&counts));
        Ok(Some(Self {
            spans,
            exporting,
            counts,
        }))
    }
}

fn collector(tracing: &Tracing, folder: &Path) -> Result<Collector, Failure> {
    let headers = match &tracing.headers_file {
        Some(file) => headers(&folder.join(file))?,
        None => HeaderMap::new(),
    };
    let roots = match &tracing.ca_file {
        _ if !tracing.endpoint.is_https => None,
        Some(file) => {
            let unusable = |why| Failure::configuration(format!("`ca_file` of [tracing]: {why}"));
            Some(anchors(&folder.join(file)).map_err(unusable)?)
        }
        None => Some(system_roots().ok_or_else(|| {
            Failure::configuration("no certificates to believe of the collector on this machine")
                .hint("install the package ca-certificates, or name a PEM file in `ca_file`")
        })?),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let url = tracing.endpoint.clone();
    Ok(Collector::new(url, headers, roots.as_ref(), &clock))
}

fn headers(file: &Path) -> Result<HeaderMap, Failure> {
    let failure = |why: String| {
        Failure::configuration(format!("{}: {why}", file.display()))
            .hint("`headers_file` of [tracing] holds a field in each line: `Authorization: …`")
    };
    is_kept_secret("the fields for the collector,", file)?;
    let bytes = bounded_file::read_secret(file, LARGEST_FIELDS)
        .map_err(|error| failure(error.to_string()))?;
    let text = str::from_utf8(&bytes).map_err(|_| failure("not UTF-8".to_owned()))?;
    traces::fields(text).map_err(failure)
}

/// What every span says of the gateway.
fn spoken_of(service: &str, origin: &str) -> Origin {
    let uri: Uri = origin.parse().unwrap_or_default();
    Origin {
        service: service.to_owned(),
        scheme: uri.scheme_str().unwrap_or("http").to_owned(),
        host: uri.host().unwrap_or_default().to_owned(),
        port: uri.port_u16(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use super::{LARGEST_FIELDS, headers};

    #[test]
    fn a_file_of_fields_is_read_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        let written = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            headers(&file).map_err(|failure| failure.message)
        };
        let field = "Authorization: Basic YTpi\n";
        let largest = format!("{field}{}", "#".repeat(LARGEST_FIELDS - field.len()));
        assert_eq!(written(largest.as_bytes()).unwrap().len(), 1);
        for (bytes, why) in [
            (format!("{largest}#").into_bytes(), "larger than 16 KiB"),
            (b"X: \xff".to_vec(), "not UTF-8"),
        ] {
            let told = written(&bytes).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        // It never ends.
        let told = headers(Path::new("/dev/zero")).unwrap_err().message;
        assert!(told.contains("/dev/zero"), "{told}");
    }
}
