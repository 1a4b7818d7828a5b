//! The examples of the RFCs, and every way of not being three parts.

mod rfc_7520;

use proptest::prelude::proptest;

use super::{MAX_BYTES, UnverifiedJws};
use crate::{
    algorithm::Algorithm,
    base64url,
    error::TokenErrorKind,
    harness::{ES256, compact, good},
    jwk::Jwk,
    signing_key::SigningKey,
    verifying_key::VerifyingKey,
};

/// The payload of RFC 7515 appendix A.1 to A.3, with its carriage returns.
const JOE: &str =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

fn payload(text: &str, key: &VerifyingKey) -> Result<String, TokenErrorKind> {
    let payload = UnverifiedJws::parse(text).and_then(|jws| jws.verify(key));
    payload
        .map(|bytes| String::from_utf8(bytes).expect("text"))
        .map_err(|error| error.kind())
}

fn from_jwk(algorithm: Algorithm, jwk: &str) -> VerifyingKey {
    let jwk = Jwk::parse(jwk.as_bytes()).expect("a key of an RFC");
    VerifyingKey::from_jwk(&jwk, Some(algorithm)).expect("a key of an RFC")
}

#[test]
fn rfc_7515_appendix_a_1_hs256() {
    let secret = base64url::decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    );
    let key = VerifyingKey::hmac(Algorithm::Hs256, &secret.expect("base64url")).expect("a secret");
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkz\
                 ODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1\
                 r_wW1gFWFOEjXk";
    assert_eq!(payload(token, &key).as_deref(), Ok(JOE));
}

#[test]
fn rfc_7515_appendix_a_2_rs256() {
    let key = from_jwk(
        Algorithm::Rs256,
        r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
    );
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l\
                 eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9P\
                 Jbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynR\
                 FdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO\
                 --xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqV\
                 t5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    assert_eq!(payload(token, &key).as_deref(), Ok(JOE));
}

#[test]
fn rfc_7515_appendix_a_3_es256() {
    let key = from_jwk(
        Algorithm::Es256,
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    );
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l\
                 eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTj\
                 Dxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_eq!(payload(token, &key).as_deref(), Ok(JOE));
}

#[test]
fn rfc_7515_appendix_a_4_es512() {
    let key = from_jwk(
        Algorithm::Es512,
        r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#,
    );
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYa\
                 RI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJj\
                 yqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    assert_eq!(payload(token, &key).as_deref(), Ok("Payload"));
}

#[test]
fn rfc_7515_appendix_a_5_unsecured_is_refused() {
    for end in ["", "AA"] {
        let token = format!(
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
             cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.{end}"
        );
        assert!(UnverifiedJws::parse(&token).is_err());
    }
}

#[test]
fn rfc_8037_appendix_a_4_and_a_5_ed25519() {
    // PKCS #8 around the private key of appendix A.1.
    let pkcs8 = [
        b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(),
        &base64url::decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url"),
    ]
    .concat();
    let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &pkcs8).expect("the key of the RFC");
    assert_eq!(key.key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = key.sign_bytes(input.as_bytes()).map(base64url::encode);
    let expected =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(signature.as_deref(), Ok(expected));
    let token = format!("{input}.{expected}");
    assert_eq!(
        payload(&token, &key.verifying_key()).as_deref(),
        Ok("Example of Ed25519 signing")
    );
}

#[test]
fn par_005_sig_005_sig_024_anything_but_three_parts_is_refused() {
    let token = good(&ES256);
    let (header, rest) = token.split_once('.').expect("three parts");
    let (payload, signature) = rest.split_once('.').expect("three parts");
    for text in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.{signature}.{signature}"),
        format!("{token} "),
        format!("{header}%2E{payload}%2E{signature}"),
        format!("{header}.{payload}.{signature}="),
    ] {
        let kind = self::payload(&text, &ES256.verifying_key()).expect_err(&text);
        assert_eq!(kind, TokenErrorKind::Malformed, "{text}");
    }
}

#[test]
fn sig_029_a_payload_is_what_was_signed_and_empty_only_if_that_was() {
    let token = good(&ES256);
    let (header, rest) = token.split_once('.').expect("three parts");
    let (_, signature) = rest.split_once('.').expect("three parts");
    let detached = format!("{header}..{signature}");
    let refused = payload(&detached, &ES256.verifying_key()).expect_err("detached");
    assert_eq!(refused, TokenErrorKind::BadSignature);
    let empty = compact(&ES256, r#"{"alg":"ES256"}"#, "");
    assert_eq!(payload(&empty, &ES256.verifying_key()).as_deref(), Ok(""));
}

#[test]
fn par_006_par_007_length_is_looked_at_before_anything_else() {
    for text in [
        ".".repeat(MAX_BYTES + 1),
        ".".repeat(1 << 20),
        "a".repeat(MAX_BYTES + 1),
    ] {
        let kind = UnverifiedJws::parse(&text).expect_err("too long").kind();
        assert_eq!(kind, TokenErrorKind::TooLarge);
    }
    let dots = UnverifiedJws::parse(&".".repeat(MAX_BYTES)).expect_err("no parts");
    assert_eq!(dots.kind(), TokenErrorKind::Malformed);
}

#[test]
fn hdr_022_a_long_header_is_refused_before_it_is_decoded() {
    let header = base64url::encode(format!(r#"{{"alg":"ES256","a":"{}"}}"#, "a".repeat(4000)));
    for header in [header, "=".repeat(4000), "=".repeat(2732)] {
        let kind = UnverifiedJws::parse(&format!("{header}.AA.AA"))
            .expect_err("too long")
            .kind();
        assert_eq!(kind, TokenErrorKind::TooLarge);
    }
}

#[test]
fn hdr_022_the_longest_header_is_read() {
    let fixed = r#"{"alg":"ES256","a":""}"#.len();
    let header = |length: usize| {
        let filling = "a".repeat(length - fixed);
        let header = format!(r#"{{"alg":"ES256","a":"{filling}"}}"#);
        UnverifiedJws::parse(&format!("{}.AA.AA", base64url::encode(header))).map(drop)
    };
    assert_eq!(header(2048), Ok(()));
    let kind = header(2049).expect_err("too long").kind();
    assert_eq!(kind, TokenErrorKind::TooLarge);
}

proptest! {
    #[test]
    fn any_text_is_taken_apart_or_refused(text: String) {
        let _ = payload(&text, &ES256.verifying_key());
    }

    #[test]
    fn any_three_parts_are_refused(text in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,90}") {
        assert!(payload(&text, &ES256.verifying_key()).is_err());
    }
}
