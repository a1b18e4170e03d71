import COpenDHT

/// The OpenDHT library that this process uses.
package enum OpenDHTVersion {
  /// Such as `2.4.12`.
  package static var current: String { String(cString: codht_version()) }
}
