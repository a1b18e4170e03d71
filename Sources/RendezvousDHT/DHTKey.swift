import COpenDHT
import Identity

/// Where in the DHT messages of one kind to one recipient lie.
struct DHTKey: Hashable, Sendable {
  let bytes: [UInt8]

  /// SHA-1 of recipient, application and subject, one after the other.
  init(recipient: CertificateID, application: String, subject: String) {
    var name = "\(recipient)\(application)\(subject)"
    bytes = name.withUTF8 { text in
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Int(CODHT_HASH_LENGTH)) { hash in
        text.withMemoryRebound(to: CChar.self) { codht_hash($0.baseAddress, $0.count, hash.baseAddress) }
        return Array(hash)
      }
    }
  }
}
