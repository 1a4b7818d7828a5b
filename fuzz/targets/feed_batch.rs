//! A message of the revocation feed: a batch or a page of a snapshot.

use std::sync::LazyLock;

use doorward_jose::{algorithm::Algorithm, json::Value, jwk_set::KeySet, signing_key::SigningKey};
use doorward_verify::{
    key_source::KeySource,
    revocation::{
        Entry,
        feed::message::{BATCH_TYPE, Batch, FeedTrust, Origin, PAGE_TYPE, Page, to_row},
    },
};
use serde_json::json;

use super::signer::{DETERMINISTIC, ISSUER, NOW, compact, is_signed_with, unsigned};

static TRUST: LazyLock<FeedTrust> = LazyLock::new(|| FeedTrust {
    issuer: ISSUER.to_owned(),
    keys: KeySource::fixed(KeySet::from_iter(
        DETERMINISTIC.iter().map(SigningKey::verifying_key),
    )),
    algorithms: vec![Algorithm::Hs256, Algorithm::Ed25519],
});

pub(crate) fn run(input: &[u8]) {
    let payload = unsigned(input).map_or(input, |(_, _, payload)| payload);
    read_batch(payload);
    read_page(payload);

    let Some(text) = compact(input) else { return };
    let opened = [BATCH_TYPE, PAGE_TYPE].map(|wanted| TRUST.open(&text, wanted, NOW));
    for (payload, key_id) in opened.iter().flatten() {
        let mut keys = DETERMINISTIC.iter();
        let key = keys.find(|key| Some(key.key_id()) == key_id.as_deref());
        assert!(
            is_signed_with(key.expect("one of ours"), &text),
            "a forgery"
        );
        read_batch(payload);
        read_page(payload);
    }
    // A message is of one type.
    assert!(opened.iter().flatten().count() <= 1);
}

fn read_batch(payload: &[u8]) {
    let Ok(batch) = Batch::parse(payload) else {
        return;
    };
    let mut written = written(&batch.origin, &batch.entries);
    written["after"] = batch.after.into();
    written["chain"] = batch.chain.as_str().into();
    assert_reads(payload, &written);
    if let Some(again) = short(&written) {
        assert_eq!(Batch::parse(&again).as_ref(), Ok(&batch));
    }
    // Each entry has its place in the history.
    let mut chain = batch.chain;
    for entry in &batch.entries {
        let next = chain.with(entry);
        assert_ne!(next, chain);
        chain = next;
    }
    assert!(
        batch
            .after
            .checked_add(batch.entries.len() as u64)
            .is_some()
    );
}

fn read_page(payload: &[u8]) {
    let Ok(page) = Page::parse(payload) else {
        return;
    };
    assert!(page.page < page.pages);
    let mut written = written(&page.origin, &page.entries);
    written["at"] = page.at.into();
    written["chain"] = page.chain.as_str().into();
    written["page"] = page.page.into();
    written["pages"] = page.pages.into();
    assert_reads(payload, &written);
    if let Some(again) = short(&written) {
        assert_eq!(Page::parse(&again), Ok(page));
    }
}

fn written(origin: &Origin, entries: &[Entry]) -> Value {
    json!({
        "iss": origin.issuer,
        "epoch": origin.epoch,
        "since": origin.since.millis(),
        "time": origin.time.millis(),
        "entries": entries.iter().map(to_row).collect::<Vec<_>>(),
    })
}

/// A lenient reader sees the same members, and others beside them.
fn assert_reads(payload: &[u8], written: &Value) {
    let lenient: Value = serde_json::from_slice(payload).expect("what is read is JSON");
    let members = written.as_object().expect("an object");
    for (name, value) in members {
        assert_eq!(lenient.get(name), Some(value), "{name}");
    }
}

/// Within the limit that messages have.
fn short(written: &Value) -> Option<Vec<u8>> {
    let written = written.to_string().into_bytes();
    (written.len() <= 8 * 1024).then_some(written)
}
