/// What Plexus needs of libcrypto's CMS: signing, verifying, encrypting and decrypting short texts.
///
/// Every function is safe to call from any thread. Nothing aborts: what libcrypto refuses comes back as NULL or false and an error
/// text that the caller frees; no error text holds a key or what was encrypted.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct csmime_key csmime_key;
typedef struct csmime_certificate csmime_certificate;

/// Frees a text or a buffer that a function of this header gave; texts that were secret are wiped with `csmime_wipe`.
void csmime_free(void *memory);

/// The version of the libcrypto that is loaded; never freed.
const char *csmime_library_version(void);

/// Wipes and frees a buffer.
void csmime_wipe(void *memory, size_t length);

/// Reads an unencrypted private key, PEM. NULL if it is none.
csmime_key *csmime_key_read(const char *pem, size_t length, char **error);
void csmime_key_free(csmime_key *key);

/// Reads a certificate, DER. NULL if it is none.
csmime_certificate *csmime_certificate_read(const unsigned char *der, size_t length, char **error);
void csmime_certificate_free(csmime_certificate *certificate);

/// Whether `certificate` is valid now and chains to `authority`, which is trusted as it is.
bool csmime_certificate_chains(const csmime_certificate *certificate, const csmime_certificate *authority,
                               char **error);

/// A detached signature over the bytes: SHA-256 with RSA, the signer named by issuer and serial number, no certificate inside. DER.
unsigned char *csmime_sign(const unsigned char *content, size_t length, const csmime_certificate *certificate,
                           const csmime_key *key, size_t *result_length, char **error);

/// Checks that `certificate`, and nobody else, signed. With `content` the signature must be detached and over these bytes; without,
/// it must hold the content. Gives the content that was signed. Digests below SHA-224 are refused.
unsigned char *csmime_verify(const unsigned char *signature, size_t length, const unsigned char *content,
                             size_t content_length, const csmime_certificate *certificate, size_t *result_length,
                             char **error);

/// Encrypts to one recipient: AES-256-CBC, RSA PKCS#1 v1.5, the recipient named by issuer and serial number. DER.
unsigned char *csmime_encrypt(const unsigned char *content, size_t length, const csmime_certificate *recipient,
                              size_t *result_length, char **error);

/// Decrypts an enveloped-data or an authenticated-enveloped-data, DER or BER, whose recipient is `certificate`.
unsigned char *csmime_decrypt(const unsigned char *message, size_t length, const csmime_certificate *certificate,
                              const csmime_key *key, size_t *result_length, char **error);

#ifdef __cplusplus
}
#endif
