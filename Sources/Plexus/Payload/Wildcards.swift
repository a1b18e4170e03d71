import Datagrams

extension PassageDescription {
  /// Replaces the wildcards of the payload options by what they stand for; an unknown `%name%` stays as it is.
  ///
  /// One pass from left to right: what was put in is not read again.
  func expandingWildcards(in template: String) -> String {
    var result = ""
    var rest = template[...]
    while let start = rest.firstIndex(of: "%") {
      result += rest[..<start]
      let afterStart = rest.index(after: start)
      if let end = rest[afterStart...].firstIndex(of: "%"), let value = value(ofWildcard: rest[afterStart..<end]) {
        result += value
        rest = rest[rest.index(after: end)...]
      } else {
        result += "%"
        rest = rest[afterStart...]
      }
    }
    return result + rest
  }

  private func value(ofWildcard name: Substring) -> String? {
    switch name {
    case "inner": "\(inner)"
    case "innerip": "\(inner.address)"
    case "innerport": "\(inner.port)"
    case "outer": "\(outer)"
    case "outerip": "\(outer.address)"
    case "outerport": "\(outer.port)"
    case "alien": "\(alien)"
    case "peerip": "\(alien.address)"
    case "peerport": "\(alien.port)"
    case "hostid": "\(host)"
    case "hostmail", "hostemail": host.owner
    case "hostpin": host.pin
    case "hostcert": files.hostCertificate
    case "hostkey": files.hostKey
    case "peerid": "\(peer)"
    case "peermail", "peeremail": peer.owner
    case "peerpin": peer.pin
    case "peercert": files.peerCertificate
    case "secret": "\(secret.value)"
    default: nil
    }
  }
}
