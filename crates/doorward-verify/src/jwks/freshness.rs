//! How long a fetched key set may be used without asking again (RFC 9111).

use http::{HeaderMap, header};

/// Where the issuer says nothing.
const DEFAULT_SECONDS: u64 = 600;
/// A shorter life would be a fetch storm, whoever asks for it.
const SHORTEST_SECONDS: u64 = 60;
/// A longer one would keep a withdrawn key for longer than a day.
const LONGEST_SECONDS: u64 = 24 * 3600;

/// Seconds for which an answer with these headers is fresh: `max-age` less
/// `Age`, within a minute and a day.
pub(super) fn seconds(headers: &HeaderMap) -> u64 {
    let mut max_age = None;
    for field in headers.get_all(header::CACHE_CONTROL) {
        for directive in field.to_str().unwrap_or_default().split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => max_age = Some(0),
                // Of two the shorter one: a doubt is settled by asking again.
                "max-age" => {
                    let stated = delta_seconds(value.trim().trim_matches('"')).unwrap_or(0);
                    max_age = Some(max_age.map_or(stated, |other: u64| other.min(stated)));
                }
                _ => {}
            }
        }
    }
    let age = headers.get(header::AGE).and_then(|age| age.to_str().ok());
    let age = age.and_then(delta_seconds).unwrap_or(0);
    let stated = max_age.unwrap_or(DEFAULT_SECONDS);
    stated
        .saturating_sub(age)
        .clamp(SHORTEST_SECONDS, LONGEST_SECONDS)
}

/// RFC 9111 section 1.2.2; more than fits is the longest there is.
fn delta_seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::seconds;

    fn lifetime(cache_control: &[&'static str], age: Option<&'static str>) -> u64 {
        let mut headers = HeaderMap::new();
        for value in cache_control {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_static(value));
        }
        if let Some(age) = age {
            headers.insert(header::AGE, HeaderValue::from_static(age));
        }
        seconds(&headers)
    }

    #[test]
    fn max_age_is_honoured_between_a_minute_and_a_day() {
        assert_eq!(lifetime(&[], None), 600);
        assert_eq!(lifetime(&["public, max-age=300"], None), 300);
        assert_eq!(lifetime(&["MAX-AGE=\"300\""], None), 300);
        assert_eq!(lifetime(&["max-age=300"], Some("100")), 200);
        assert_eq!(lifetime(&["max-age=0"], None), 60);
        assert_eq!(lifetime(&["max-age=300"], Some("9999")), 60);
        assert_eq!(lifetime(&["max-age=99999999999999999999999"], None), 86_400);
        assert_eq!(lifetime(&["max-age=31536000, immutable"], None), 86_400);
    }

    #[test]
    fn doubtful_directives_mean_asking_again_soon() {
        for value in [
            "no-store",
            "no-cache, max-age=0",
            "max-age=-1",
            "max-age=x",
            "max-age",
        ] {
            assert_eq!(lifetime(&[value], None), 60, "{value}");
        }
        assert_eq!(lifetime(&["max-age=3600, max-age=120"], None), 120);
        assert_eq!(lifetime(&["max-age=3600", "max-age=120"], None), 120);
        assert_eq!(lifetime(&["no-cache, max-age=3600"], None), 60);
        assert_eq!(lifetime(&["s-maxage=7"], Some("junk")), 600);
    }
}
