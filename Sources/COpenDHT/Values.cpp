#include "Shim.hpp"

using namespace codht;

namespace {

/// The text in a msgpack str or bin. Of our own, because msgpack's reader takes memory for as many elements as an array
/// or map claims to have: gigabytes for five bytes.
std::string textOf(const dht::Blob &packed) {
  size_t lengthBytes = 0;
  size_t length = 0;
  switch (packed.empty() ? 0 : packed[0]) {
    case 0xC4: case 0xD9: lengthBytes = 1; break;
    case 0xC5: case 0xDA: lengthBytes = 2; break;
    case 0xC6: case 0xDB: lengthBytes = 4; break;
    default:
      if (packed.empty() || packed[0] >> 5 != 5) throw std::runtime_error("it holds no text");
      length = packed[0] & 0x1F;
  }
  if (packed.size() < 1 + lengthBytes) throw std::runtime_error("its text is cut short");
  for (size_t i = 1; i <= lengthBytes; i++) length = length << 8 | packed[i];
  if (packed.size() - 1 - lengthBytes < length) throw std::runtime_error("its text is cut short");
  return std::string(packed.begin() + 1 + lengthBytes, packed.begin() + 1 + lengthBytes + length);
}

}  // namespace

void codht_free(void *memory) { std::free(memory); }

void codht_hash(const char *text, size_t length, uint8_t hash[CODHT_HASH_LENGTH]) {
  const auto digest = dht::InfoHash::get(reinterpret_cast<const uint8_t *>(text), length);
  std::memcpy(hash, digest.data(), CODHT_HASH_LENGTH);
}

codht_private_key *codht_private_key_read(const uint8_t *pem, size_t length, char **error) {
  return guarded<codht_private_key *>(error, nullptr, [&] {
    return new codht_private_key{dht::crypto::PrivateKey(dht::Blob(pem, pem + length))};
  });
}

void codht_private_key_free(codht_private_key *key) { delete key; }

codht_public_key *codht_certificate_read(const uint8_t *certificate, size_t length, char **error) {
  return guarded<codht_public_key *>(error, nullptr, [&] {
    // The certificate's own key object dies with it: take a copy through its DER form.
    dht::crypto::Certificate parsed(dht::Blob(certificate, certificate + length));
    dht::Blob der;
    parsed.getPublicKey().pack(der);
    return new codht_public_key{dht::crypto::PublicKey(der)};
  });
}

void codht_public_key_free(codht_public_key *key) { delete key; }

void codht_public_key_id(const codht_public_key *key, uint8_t id[CODHT_HASH_LENGTH]) {
  std::memcpy(id, key->key.getId().data(), CODHT_HASH_LENGTH);
}

codht_value *codht_value_seal(const char *text, size_t length, const codht_public_key *recipient,
                              const codht_private_key *sender, uint64_t id, uint16_t sequence, char **error) {
  return guarded<codht_value *>(error, nullptr, [&] {
    const auto packed = dht::packMsg(std::string(text, length));
    return codht_value_seal_packed(packed.data(), packed.size(), recipient, sender, id, sequence, error);
  });
}

codht_value *codht_value_seal_packed(const uint8_t *packed, size_t length, const codht_public_key *recipient,
                                     const codht_private_key *sender, uint64_t id, uint16_t sequence, char **error) {
  return guarded<codht_value *>(error, nullptr, [&] {
    auto value = std::make_shared<dht::Value>(recipient->key.encrypt(dht::Blob(packed, packed + length)));
    value->id = id;
    value->seq = sequence;
    value->sign(sender->key);
    return new codht_value{std::move(value)};
  });
}

codht_value *codht_value_reseal(const codht_value *value, const codht_private_key *sender, uint64_t id,
                                uint16_t sequence, char **error) {
  return guarded<codht_value *>(error, nullptr, [&] {
    auto copy = std::make_shared<dht::Value>(dht::Blob(value->value->data));
    copy->id = id;
    copy->seq = sequence;
    copy->sign(sender->key);
    return new codht_value{std::move(copy)};
  });
}

codht_value *codht_value_raw(const uint8_t *data, size_t length, const codht_private_key *sender, uint64_t id,
                             char **error) {
  return guarded<codht_value *>(error, nullptr, [&] {
    auto value = std::make_shared<dht::Value>(dht::Blob(data, data + length));
    value->id = id;
    if (sender) value->sign(sender->key);
    return new codht_value{std::move(value)};
  });
}

codht_value *codht_value_unpack(const uint8_t *packed, size_t length, char **error) {
  return guarded<codht_value *>(error, nullptr, [&] {
    // Elements take memory before they are read, so no more than there can be.
    const msgpack::unpack_limit limit(length, length, length, length, length);
    const auto unpacked = msgpack::unpack(reinterpret_cast<const char *>(packed), length, nullptr, nullptr, limit);
    auto value = std::make_shared<dht::Value>();
    value->msgpack_unpack(unpacked.get());
    return new codht_value{std::move(value)};
  });
}

uint8_t *codht_value_pack(const codht_value *value, size_t *length, char **error) {
  return guarded<uint8_t *>(error, nullptr, [&]() -> uint8_t * {
    const auto packed = value->value->getPacked();
    auto copy = static_cast<uint8_t *>(std::malloc(packed.size()));
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy, packed.data(), packed.size());
    *length = packed.size();
    return copy;
  });
}

char *codht_value_open(const codht_value *value, const codht_private_key *recipient, size_t *length, char **error) {
  return guarded<char *>(error, nullptr, [&]() -> char * {
    const auto &sealed = *value->value;
    // OpenDHT has checked this before it called us; it is cheap beside decrypting, and here it is our own word.
    if (!sealed.isSigned() || !sealed.owner || !sealed.owner->checkSignature(sealed.getToSign(), sealed.signature)) {
      describe(error, "the signature is wrong");
      return nullptr;
    }
    const auto text = textOf(recipient->key.decrypt(sealed.data));
    auto copy = static_cast<char *>(std::malloc(text.size() + 1));
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = 0;
    *length = text.size();
    return copy;
  });
}

void codht_value_free(codht_value *value) { delete value; }

uint64_t codht_value_id(const codht_value *value) { return value->value->id; }

bool codht_value_is_user_data(const codht_value *value) {
  return value->value->type == dht::ValueType::USER_DATA.id;
}

bool codht_value_owner(const codht_value *value, uint8_t id[CODHT_HASH_LENGTH]) {
  return guarded(nullptr, false, [&] {
    if (!value->value->isSigned() || !value->value->owner) return false;
    std::memcpy(id, value->value->owner->getId().data(), CODHT_HASH_LENGTH);
    return true;
  });
}

const uint8_t *codht_value_data(const codht_value *value, size_t *length) {
  *length = value->value->data.size();
  return value->value->data.data();
}
