import CSMIME

/// The libcrypto that this process uses.
package enum OpenSSLVersion {
  /// Such as `3.0.17`.
  package static var current: String { String(cString: csmime_library_version()) }
}
