#pragma once
#include <stddef.h>

/// Bytes that were allocated and not given back, mapped blocks among them. The rest of a heap is holes.
size_t heap_in_use(void);
