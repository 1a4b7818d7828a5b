#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| runner::fuzz("route_file", input));
