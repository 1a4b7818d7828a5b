//! Cursors: where the next page of a list begins.
//!
//! Opaque, and bound by a MAC to the list and to the tenant that it shows: none
//! can be made up, or carried from one caller's list to another's.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64_simd::URL_SAFE_NO_PAD;

const MAC: usize = 16;

/// After `last` of `list`.
pub(super) fn write(last: &str, list: &str, key: &hmac::Key) -> String {
    let mut bytes = mac(last, list, key).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The item that a page of `list` begins after.
pub(super) fn read(text: &str, list: &str, key: &hmac::Key) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
    let (shown, last) = bytes.split_first_chunk::<MAC>()?;
    let last = std::str::from_utf8(last).ok()?;
    verify_slices_are_equal(&mac(last, list, key), shown).ok()?;
    Some(last.to_owned())
}

/// Ids of operations and names of tenants have no NUL, so the message has one
/// reading.
fn mac(last: &str, list: &str, key: &hmac::Key) -> [u8; MAC] {
    let mut context = hmac::Context::with_key(key);
    for part in ["cursor\0", list, "\0", last] {
        context.update(part.as_bytes());
    }
    let mut mac = [0; MAC];
    mac.copy_from_slice(&context.sign().as_ref()[..MAC]);
    mac
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::{read, write};

    #[test]
    fn a_cursor_is_of_its_list_and_whole() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let text = write("alice", "listUsers/acme", &key);
        assert_eq!(
            read(&text, "listUsers/acme", &key).as_deref(),
            Some("alice")
        );
        assert_eq!(read(&text, "listUsers/globex", &key), None);
        assert_eq!(read(&text[..text.len() - 1], "listUsers/acme", &key), None);
        assert_eq!(read("", "listUsers/acme", &key), None);
    }
}
