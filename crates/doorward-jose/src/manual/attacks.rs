//! Attacks on token libraries, what stops each here, and which test shows it.
//!
//! # Algorithm and key confusion
//!
//! A server holds a public RSA key; the attacker sends a token whose header says
//! `HS256`, authenticated with the *public* key as secret; a library that asks
//! the token for the algorithm takes it (CVE-2017-11424, CVE-2022-29217, and
//! four times over in one library from CVE-2023-48223 on, because it guessed
//! the key's kind from its bytes). Here a [`VerifyingKey`] is made for one
//! algorithm and says so for life; the header is compared with it, never asked.
//! [`VerifyingKey::hmac`] refuses the text of a PEM or a JWK, so that an
//! operator cannot make the mistake by hand. A key whose JWK does not say its
//! algorithm gets one from the caller, or is refused.
//!
//! Tests: `sig_009_hmac_keyed_with_the_public_key_is_refused`,
//! `sig_013_one_key_has_one_algorithm`, `sig_009_public_keys_are_no_secrets`.
//!
//! # No signature, or one that anybody can make
//!
//! `none` in any spelling is no [`Algorithm`]. Secrets shorter than the hash are
//! refused when they are read. ECDSA values of zero, which CVE-2022-21449 took
//! for a signature of everything, are refused by the cryptographic library, and
//! a test holds it to that. Ed25519 points of small order, for which such
//! signatures exist, are refused when the key is read.
//!
//! Tests: `sig_001_sig_002_alg_none_is_refused`,
//! `sig_010_sig_011_hmac_with_empty_and_trivial_keys_is_refused`,
//! `sig_014_sig_015_ecdsa_values_out_of_range_are_refused`,
//! `sig_018_small_order_and_unreduced_points_are_refused`.
//!
//! # The attacker's own key
//!
//! `jwk`, `jku`, `x5u` and `x5c` are never read; a token that has one is refused
//! even when its signature holds, because no honest issuer of access tokens
//! sends them. `kid` finds a key that is already trusted or nothing; it is
//! never a path, a query or an address, and its alphabet means nothing to any
//! of these.
//!
//! Tests: `hdr_001_hdr_002_hdr_004_keys_in_the_header_are_refused_even_when_properly_signed`,
//! `hdr_007_hdr_008_injections_by_kid_are_refused_even_when_properly_signed`.
//!
//! # Two readings of one token
//!
//! Every difference between two parsers is somebody's attack: duplicate members
//! (first or last wins), escaped names, padding and stray bits in base64url,
//! compact beside JSON form, numbers that round. Here whatever has a second
//! reading has none: it is refused. In particular no two texts are the same
//! token, so a revocation or a cache that is keyed by the text cannot be walked
//! around.
//!
//! Tests: `par_001_duplicate_claims_are_refused_in_every_spelling`,
//! `par_002_par_004_any_single_changed_character_is_refused` (every position,
//! every ASCII character), `par_003_spare_bits_are_refused`,
//! `sig_026_sig_027_sig_028_the_json_serialisation_is_refused`,
//! `one_encoding_per_value`.
//!
//! One exception is inherent: an ECDSA signature `(r, s)` has the mirror
//! `(r, n - s)`, which anybody can compute. Both verify. Revocation is
//! therefore by `jti`, never by the token's bytes.
//!
//! # Claims that look absent
//!
//! `"exp": "never"` was taken for a token without `exp` (CVE-2026-25537), an
//! `aud` of the wrong type for none. Here a registered claim that is present is
//! of its type or the token is refused, also when it is optional; `null` is a
//! wrong type. Dates are exact integers below 2^53.
//!
//! Tests: `clm_003_par_010_dates_are_exact_integers_or_the_token_is_refused`,
//! `clm_010_clm_015_clm_017_wrong_types_are_never_absent`.
//!
//! # Work without end
//!
//! A million dots, deep nesting, compressed bombs, PBES2 counts: length is
//! compared first, depth is bounded, and nothing here inflates, decrypts or
//! derives keys.
//!
//! Tests: `par_006_par_007_length_is_looked_at_before_anything_else`,
//! `par_008_depth_is_bounded_without_overflow`,
//! `hdr_022_a_long_header_is_refused_before_it_is_decoded`.
//!
//! [`Algorithm`]: crate::algorithm::Algorithm
//! [`VerifyingKey`]: crate::verifying_key::VerifyingKey
//! [`VerifyingKey::hmac`]: crate::verifying_key::VerifyingKey::hmac
