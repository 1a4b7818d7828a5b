#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| runner::fuzz("http1", input));
