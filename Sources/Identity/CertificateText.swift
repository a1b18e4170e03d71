import FoundationEssentials
import SwiftASN1

/// Finds the certificate in a PEM text, as people mail and paste it.
enum CertificateText {
  /// The DER of the first certificate in `bytes`.
  ///
  /// Text around it, indentation, trailing blanks and both kinds of line ends are tolerated. Of a chain the first is
  /// taken: by convention (RFC 8446 section 4.4.2) that is the leaf.
  ///
  /// - Parameter source: What to call the file in an error.
  static func firstCertificate(in bytes: [UInt8], source: String) throws -> [UInt8] {
    let text = String(decoding: bytes, as: UTF8.self)
    guard !text.contains("PRIVATE KEY-----") else {
      throw IdentityError(
        .privateKeyInsteadOfCertificate,
        "\(source) holds a private key, which must stay with its owner; ask for the certificate instead")
    }
    var base64: String?
    for line in text.split(whereSeparator: \.isNewline) {
      let line = line.trimmed
      if let body = base64 {
        if line == "-----END CERTIFICATE-----" {
          guard let data = Data(base64Encoded: body), !data.isEmpty else { throw notACertificate(source) }
          return Array(data)
        }
        base64 = body + line
      } else if line == "-----BEGIN CERTIFICATE-----" {
        base64 = ""
      }
    }
    guard base64 == nil else {
      throw IdentityError(
        .notACertificate, "the certificate in \(source) breaks off before its END line; get the whole file")
    }
    throw IdentityError(
      .notACertificate,
      "\(source) holds no certificate in PEM form (-----BEGIN CERTIFICATE-----); "
        + "ask its owner for the output of `plexus identity export`")
  }

  /// The PEM text of a certificate, ending with a line end.
  static func pem(_ der: [UInt8]) -> String {
    PEMDocument(type: "CERTIFICATE", derBytes: der).pemString + "\n"
  }

  /// The sentence for what looks like a certificate and is none.
  static func notACertificate(_ source: String) -> IdentityError {
    IdentityError(.notACertificate, "\(source) holds a damaged certificate; get it again")
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return self[first...last]
  }
}
