//! The security argument of this crate, in prose.
//!
//! # How a token is judged
//!
//! [`UnverifiedToken::parse`] and [`UnverifiedToken::verify`] look at a token in
//! this order, and nothing later is touched when something earlier fails:
//!
//! 1. **Length.** At most 8 KiB, compared before anything is read. Every later
//!    cost is bounded by it.
//! 2. **Dots.** Exactly two. Five parts (JWE) and the JSON serialisations are no
//!    tokens here.
//! 3. **Header.** At most 2 KiB, 16 levels, strict base64url and [strict
//!    JSON](crate::json). `alg` must be a name of [`Algorithm`], which has no
//!    `none`. `crit`, and every parameter that changes the reading or brings a
//!    key, refuse the token.
//! 4. **Key.** `alg` and `kid` choose among trusted keys, at most three. The
//!    chosen key's own algorithm must be the header's, and on the
//!    [`Validation`]'s list.
//! 5. **Signature**, over the bytes as they were received.
//! 6. **Type.** `typ`, so that a good ID token or logout token is not taken for
//!    an access token.
//! 7. **Claims.** Only now is the payload decoded: one strict pass, 64 levels,
//!    each registered claim of its type.
//! 8. **Issuer, audience**, compared as whole strings.
//! 9. **Lifetime** at the time that the caller gives. It is last, so an error
//!    about time means that all else held.
//!
//! # Two readers of one payload
//!
//! [`verify_in`] reads the claims where they lie, with a scanner of its own;
//! [`UnverifiedToken::verify`] reads them with `serde_json`. Two readers are an
//! attack when they differ, so they are kept from it three times over. They run
//! the same checks in the same order, on the same types. The scanner can only
//! say yes or no: a no is explained by the other reader, and stays a no even if
//! that one has nothing to say. And every test of a hostile token or claim goes
//! through both, which must return the same error or the same claims.
//!
//! What [`Scratch`] remembers of earlier tokens is which header some encoded
//! bytes stand for, which is the same for every key and issuer, and it learns it
//! only behind a signature that held.
//!
//! Tests: `every_single_damage_to_good_claims_is_judged_alike`,
//! `any_members_are_judged_alike`,
//! `mutated_contents_under_a_good_signature_are_judged_alike`,
//! `a_remembered_header_is_judged_anew_by_each_key_and_validation`.
//!
//! # What the types make impossible
//!
//! | Mistake | Why it does not compile, or cannot be written |
//! | --- | --- |
//! | Reading claims of an unproven token | [`UnverifiedToken`] has none |
//! | Verifying without issuer, audience or algorithms | there is no [`Validation`] before all three are named |
//! | Letting the token choose the algorithm | a [`VerifyingKey`] has exactly one |
//! | Using a public key as HMAC secret | no constructor of one takes the other |
//! | Accepting `none` | it has no representation |
//! | Calling a claim of the wrong type absent | the reader knows only right, absent and refused |
//!
//! [`attacks`] goes through the attacks one class at a time.
//!
//! [`Scratch`]: crate::scratch::Scratch
//! [`verify_in`]: crate::token::verify_in
//! [`Algorithm`]: crate::algorithm::Algorithm
//! [`UnverifiedToken`]: crate::token::UnverifiedToken
//! [`UnverifiedToken::parse`]: crate::token::UnverifiedToken::parse
//! [`UnverifiedToken::verify`]: crate::token::UnverifiedToken::verify
//! [`Validation`]: crate::validation::Validation
//! [`VerifyingKey`]: crate::verifying_key::VerifyingKey

pub mod attacks;
