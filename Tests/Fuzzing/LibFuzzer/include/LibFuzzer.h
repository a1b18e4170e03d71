/// The entry to libFuzzer for programs with a `main` of their own.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Reads libFuzzer's own arguments and runs until they say that it is enough. Inside the library that
/// `-sanitize=fuzzer` links.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one_input)(const uint8_t *data, size_t size));
