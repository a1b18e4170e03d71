/// What Plexus needs of OpenDHT, in C: a node, values that are sealed, put, listened to and opened.
///
/// Every function is safe to call from any thread, except that codht_node_stop must not be called from a callback.
/// Nothing throws: what OpenDHT throws comes back as NULL or false and an error text that the caller frees.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
// A Swift closure that is passed for such a parameter runs on OpenDHT's thread, not on the caller's actor.
#define CODHT_SENDABLE __attribute__((swift_attr("@Sendable")))
#else
#define CODHT_SENDABLE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// Bytes of an OpenDHT key, of a node id and of the id of a certificate or public key.
enum { CODHT_HASH_LENGTH = 20 };

typedef struct codht_node codht_node;
typedef struct codht_value codht_value;
typedef struct codht_private_key codht_private_key;
typedef struct codht_public_key codht_public_key;

/// Frees a text or a buffer that a function of this header gave.
void codht_free(void *memory);

/// The version of the OpenDHT library that is loaded; never freed.
const char *codht_version(void);

// MARK: Node

typedef struct {
  /// Local UDP port; 0 for any that is free.
  uint16_t port;
  /// Local addresses as text; NULL leaves the family out.
  const char *address4;
  const char *address6;
  /// Only nodes of one network id talk with each other; 0 is the public network.
  uint32_t network;
  /// Whether the node serves others: answers for them, is handed out by them. A client only uses the network.
  bool serves;
} codht_configuration;

typedef enum { CODHT_DISCONNECTED = 0, CODHT_CONNECTING = 1, CODHT_CONNECTED = 2 } codht_status;

typedef enum { CODHT_OTHER = 0, CODHT_PORT_TAKEN = 1 } codht_failure;

/// What a callback gets as its first argument; `release` is called once, when OpenDHT has forgotten the callback.
typedef struct {
  void *object;
  void (*release)(void *object);
} codht_context;

/// Starts a node with an id of its own and no identity. `status` tells when the better of both families changes.
codht_node *codht_node_start(const codht_configuration *configuration, codht_context context,
                             CODHT_SENDABLE void (*status)(void *object, codht_status status), codht_failure *failure,
                             char **error);

/// Ends the node and waits for its threads. No callback comes after this returned; the node is freed.
void codht_node_stop(codht_node *node);

/// The local port of the first family that is bound.
uint16_t codht_node_port(const codht_node *node);

/// A node that can be reached at an address: 4 or 16 bytes in network order.
typedef struct {
  uint8_t address[16];
  uint8_t address_length;
  uint16_t port;
} codht_peer;

/// Writes up to `capacity` nodes that serve others and have answered of late; returns how many.
size_t codht_node_peers(codht_node *node, codht_peer *peers, size_t capacity);

/// Asks a node at a numeric address whether it is there; its answer connects us.
bool codht_node_ping(codht_node *node, const char *address, uint16_t port);

/// Resolves a host name on a thread of its own. `address` is called for each numeric address found, then `done`, whose error
/// is NULL when there was one. Both may come after a node has stopped.
void codht_resolve(const char *host, bool with_ipv6, codht_context context,
                   CODHT_SENDABLE void (*address)(void *object, const char *address),
                   CODHT_SENDABLE void (*done)(void *object, const char *error));

/// Says that the machine's network has changed: contacts are tried again, listens are renewed.
void codht_node_network_changed(codht_node *node);

// MARK: Keys and values

/// SHA-1 of a text: the key that a name has in the DHT.
void codht_hash(const char *text, size_t length, uint8_t hash[CODHT_HASH_LENGTH]);

codht_private_key *codht_private_key_read(const uint8_t *pem, size_t length, char **error);
void codht_private_key_free(codht_private_key *key);

/// The public key of a certificate, PEM or DER.
codht_public_key *codht_certificate_read(const uint8_t *certificate, size_t length, char **error);
void codht_public_key_free(codht_public_key *key);
void codht_public_key_id(const codht_public_key *key, uint8_t id[CODHT_HASH_LENGTH]);

/// A value of user data: `text` as a msgpack string, encrypted to `recipient`, signed by `sender`.
codht_value *codht_value_seal(const char *text, size_t length, const codht_public_key *recipient,
                              const codht_private_key *sender, uint64_t id, uint16_t sequence, char **error);

/// The same sealed data under another id (the signature does not cover the id) and sequence number (which it covers).
codht_value *codht_value_reseal(const codht_value *value, const codht_private_key *sender, uint64_t id,
                                uint16_t sequence, char **error);

/// A value of `data` as it is, unsigned or signed: what strangers put. For tests of the receiving side.
codht_value *codht_value_raw(const uint8_t *data, size_t length, const codht_private_key *sender, uint64_t id,
                             char **error);

/// As codht_value_seal, of `packed` instead of a text in msgpack: what a peer that means harm puts. For tests.
codht_value *codht_value_seal_packed(const uint8_t *packed, size_t length, const codht_public_key *recipient,
                                     const codht_private_key *sender, uint64_t id, uint16_t sequence, char **error);

/// The value that OpenDHT reads in the bytes of a packet, signed or not. For tests.
codht_value *codht_value_unpack(const uint8_t *packed, size_t length, char **error);

/// The bytes that OpenDHT puts into packets for a value, to be freed with codht_free. For tests.
uint8_t *codht_value_pack(const codht_value *value, size_t *length, char **error);

/// Checks the signature, decrypts, and gives the text; NULL and a reason when anything is amiss. Costs RSA operations.
char *codht_value_open(const codht_value *value, const codht_private_key *recipient, size_t *length, char **error);

void codht_value_free(codht_value *value);
uint64_t codht_value_id(const codht_value *value);
bool codht_value_is_user_data(const codht_value *value);
/// The id of the key that the value says it was signed with; false when it is not signed.
bool codht_value_owner(const codht_value *value, uint8_t id[CODHT_HASH_LENGTH]);
/// The data, valid as long as the value.
const uint8_t *codht_value_data(const codht_value *value, size_t *length);

// MARK: Put, get, listen

/// Puts a value. `done` tells whether the nodes that were asked have answered, which does not mean that they keep it.
void codht_put(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], const codht_value *value, codht_context context,
               CODHT_SENDABLE void (*done)(void *object, bool succeeded));

/// Stops announcing a value and forgets the local copy.
void codht_cancel_put(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], uint64_t id);

/// Asks once for the values under a key, with one id or (0) with any. `value` gets each (and owns it), then `done` is called.
void codht_get(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], uint64_t id, codht_context context,
               CODHT_SENDABLE void (*value)(void *object, codht_value *value),
               CODHT_SENDABLE void (*done)(void *object, bool succeeded));

typedef struct codht_listener codht_listener;

/// Gets the values under a key, present and future; the callee owns each. NULL when the node is stopping.
codht_listener *codht_listen(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], codht_context context,
                             CODHT_SENDABLE void (*value)(void *object, codht_value *value));

/// Ends a listen and frees it: no callback of it begins after this returned. Good also after the node has stopped.
void codht_listener_cancel(codht_listener *listener);

#ifdef __cplusplus
}
#endif
