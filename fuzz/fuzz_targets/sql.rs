#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| diesel_shell_fuzz::sql(data));
