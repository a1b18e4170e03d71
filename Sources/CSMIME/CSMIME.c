#include "CSMIME.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

// The opaque types of the header are libcrypto's own objects.
static EVP_PKEY *pkey(const csmime_key *key) { return (EVP_PKEY *)key; }
static X509 *x509(const csmime_certificate *certificate) { return (X509 *)certificate; }

/// The reason of the newest error, without file names and data; clears the thread's queue.
static void fail(char **error, const char *otherwise) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code ? ERR_reason_error_string(code) : NULL;
  if (error) *error = strdup(reason ? reason : otherwise);
  ERR_clear_error();
}

const char *csmime_library_version(void) { return OpenSSL_version(OPENSSL_VERSION_STRING); }

void csmime_free(void *memory) { free(memory); }

void csmime_wipe(void *memory, size_t length) {
  if (memory) OPENSSL_cleanse(memory, length);
  free(memory);
}

/// Takes the bytes of a memory BIO; a copy, since the caller frees it with free(3).
static unsigned char *take(BIO *bio, size_t *length, char **error) {
  char *start = NULL;
  long count = BIO_get_mem_data(bio, &start);
  unsigned char *bytes = count < 0 ? NULL : malloc(count ? (size_t)count : 1);
  if (!bytes) {
    if (error) *error = strdup("out of memory");
    return NULL;
  }
  if (count) memcpy(bytes, start, (size_t)count);
  *length = (size_t)count;
  return bytes;
}

static BIO *reader(const unsigned char *bytes, size_t length) {
  return length > INT_MAX ? NULL : BIO_new_mem_buf(length ? bytes : (const unsigned char *)"", (int)length);
}

// MARK: Keys and certificates

/// Nobody can be asked for a password.
static int no_password(char *buffer, int size, int writing, void *context) {
  (void)buffer, (void)size, (void)writing, (void)context;
  return -1;
}

csmime_key *csmime_key_read(const char *pem, size_t length, char **error) {
  BIO *bio = reader((const unsigned char *)pem, length);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
  BIO_free(bio);
  if (!key) fail(error, "no private key");
  return (csmime_key *)key;
}

void csmime_key_free(csmime_key *key) { EVP_PKEY_free(pkey(key)); }

csmime_certificate *csmime_certificate_read(const unsigned char *der, size_t length, char **error) {
  const unsigned char *next = der;
  X509 *certificate = length > LONG_MAX ? NULL : d2i_X509(NULL, &next, (long)length);
  if (!certificate) fail(error, "no certificate");
  return (csmime_certificate *)certificate;
}

void csmime_certificate_free(csmime_certificate *certificate) { X509_free(x509(certificate)); }

bool csmime_certificate_chains(const csmime_certificate *certificate, const csmime_certificate *authority,
                               char **error) {
  bool chains = false;
  X509_STORE *store = X509_STORE_new();
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  if (store && context && X509_STORE_add_cert(store, x509(authority)) &&
      // The authority may be an intermediate one: who put it into the folder trusts it as it is.
      X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) &&
      X509_STORE_CTX_init(context, store, x509(certificate), NULL)) {
    chains = X509_verify_cert(context) == 1;
    if (!chains && error) *error = strdup(X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    ERR_clear_error();
  } else {
    fail(error, "the chain cannot be checked");
  }
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return chains;
}

// MARK: Signatures

unsigned char *csmime_sign(const unsigned char *content, size_t length, const csmime_certificate *certificate,
                           const csmime_key *key, size_t *result_length, char **error) {
  const unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_NOCERTS | CMS_PARTIAL;
  unsigned char *result = NULL;
  BIO *input = reader(content, length);
  BIO *output = BIO_new(BIO_s_mem());
  CMS_ContentInfo *message = CMS_sign(NULL, NULL, NULL, NULL, flags);
  if (input && output && message &&
      CMS_add1_signer(message, x509(certificate), pkey(key), EVP_sha256(), flags) &&
      CMS_final(message, input, NULL, flags) == 1 && i2d_CMS_bio(output, message)) {
    result = take(output, result_length, error);
  } else {
    fail(error, "it cannot be signed");
  }
  CMS_ContentInfo_free(message);
  BIO_free(output);
  BIO_free(input);
  return result;
}

/// Whether there is a signer at all and every one uses a digest that nobody can find collisions for.
static bool digests_are_strong(CMS_ContentInfo *message, char **error) {
  STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(message);
  int count = signers ? sk_CMS_SignerInfo_num(signers) : 0;
  if (count < 1) {
    if (error) *error = strdup("nobody signed it");
    return false;
  }
  for (int index = 0; index < count; index++) {
    X509_ALGOR *digest = NULL;
    CMS_SignerInfo_get0_algs(sk_CMS_SignerInfo_value(signers, index), NULL, NULL, &digest, NULL);
    const ASN1_OBJECT *object = NULL;
    if (digest) X509_ALGOR_get0(&object, NULL, NULL, digest);
    switch (object ? OBJ_obj2nid(object) : NID_undef) {
      case NID_sha224: case NID_sha256: case NID_sha384: case NID_sha512:
      case NID_sha3_256: case NID_sha3_384: case NID_sha3_512: break;
      default:
        if (error) *error = strdup("it is signed with a digest that is too weak");
        return false;
    }
  }
  return true;
}

/// Reads a whole ContentInfo and nothing behind it.
static CMS_ContentInfo *read_message(const unsigned char *bytes, size_t length, int type, int other, char **error) {
  const unsigned char *next = bytes;
  CMS_ContentInfo *message = length > LONG_MAX ? NULL : d2i_CMS_ContentInfo(NULL, &next, (long)length);
  if (!message) {
    fail(error, "it is no CMS message");
    return NULL;
  }
  int found = OBJ_obj2nid(CMS_get0_type(message));
  if (found == type || found == other) return message;
  CMS_ContentInfo_free(message);
  if (error) *error = strdup("it is a CMS message of another type");
  return NULL;
}

unsigned char *csmime_verify(const unsigned char *signature, size_t length, const unsigned char *content,
                             size_t content_length, const csmime_certificate *certificate, size_t *result_length,
                             char **error) {
  CMS_ContentInfo *message = read_message(signature, length, NID_pkcs7_signed, NID_pkcs7_signed, error);
  if (!message) return NULL;
  unsigned char *result = NULL;
  BIO *input = content ? reader(content, content_length) : NULL;
  BIO *output = BIO_new(BIO_s_mem());
  STACK_OF(X509) *signers = sk_X509_new_null();
  if (CMS_is_detached(message) != (content ? 1 : 0)) {
    if (error) *error = strdup(content ? "the signature holds a content of its own" : "the content is missing");
  } else if (digests_are_strong(message, error)) {
    // Certificates in the message are not looked at: who signed is known already.
    if (output && signers && (input || !content) && sk_X509_push(signers, x509(certificate)) &&
        CMS_verify(message, signers, NULL, input, output, CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY) == 1) {
      result = take(output, result_length, error);
    } else {
      fail(error, "the signature does not fit");
    }
  }
  sk_X509_free(signers);
  BIO_free(output);
  BIO_free(input);
  CMS_ContentInfo_free(message);
  return result;
}

// MARK: Encryption

unsigned char *csmime_encrypt(const unsigned char *content, size_t length, const csmime_certificate *recipient,
                              size_t *result_length, char **error) {
  unsigned char *result = NULL;
  BIO *input = reader(content, length);
  BIO *output = BIO_new(BIO_s_mem());
  STACK_OF(X509) *recipients = sk_X509_new_null();
  CMS_ContentInfo *message = NULL;
  if (input && output && recipients && sk_X509_push(recipients, x509(recipient)) &&
      (message = CMS_encrypt(recipients, input, EVP_aes_256_cbc(), CMS_BINARY)) && i2d_CMS_bio(output, message)) {
    result = take(output, result_length, error);
  } else {
    fail(error, "it cannot be encrypted");
  }
  CMS_ContentInfo_free(message);
  sk_X509_free(recipients);
  BIO_free(output);
  BIO_free(input);
  return result;
}

unsigned char *csmime_decrypt(const unsigned char *bytes, size_t length, const csmime_certificate *certificate,
                              const csmime_key *key, size_t *result_length, char **error) {
  CMS_ContentInfo *message =
      read_message(bytes, length, NID_pkcs7_enveloped, NID_id_smime_ct_authEnvelopedData, error);
  if (!message) return NULL;
  unsigned char *result = NULL;
  BIO *output = BIO_new(BIO_s_mem());
  if (output && CMS_decrypt(message, pkey(key), x509(certificate), NULL, output, CMS_BINARY) == 1) {
    result = take(output, result_length, error);
  } else {
    fail(error, "it cannot be decrypted");
  }
  if (output) {
    char *start = NULL;
    long count = BIO_get_mem_data(output, &start);
    if (count > 0) OPENSSL_cleanse(start, (size_t)count);
  }
  BIO_free(output);
  CMS_ContentInfo_free(message);
  return result;
}
