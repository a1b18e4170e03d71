// What the files of this shim share. Private to the target.
#pragma once

#include "COpenDHT.h"

#include <opendht/dhtrunner.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

struct codht_value {
  std::shared_ptr<dht::Value> value;
};

struct codht_private_key {
  dht::crypto::PrivateKey key;
};

struct codht_public_key {
  dht::crypto::PublicKey key;
};

namespace codht {

inline void describe(char **error, const char *text) {
  if (error) *error = strdup(text);
}

/// Runs `work`; what it throws becomes an error text and `otherwise`.
template <typename Result, typename Work>
Result guarded(char **error, Result otherwise, Work &&work) noexcept {
  try {
    return work();
  } catch (const std::exception &problem) {
    describe(error, problem.what());
  } catch (...) {
    describe(error, "unknown error");
  }
  return otherwise;
}

/// The caller's object, given back when the last copy of a callback is gone.
inline std::shared_ptr<void> hold(codht_context context) {
  return std::shared_ptr<void>(context.object, [release = context.release](void *object) {
    if (object && release) release(object);
  });
}

inline dht::InfoHash infoHash(const uint8_t *bytes) { return dht::InfoHash(bytes, CODHT_HASH_LENGTH); }

}  // namespace codht
