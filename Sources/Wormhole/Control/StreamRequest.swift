/// What an importer asks of an exporter: a connection to one of its services.
struct StreamRequest: Hashable, Sendable {
  /// What kind of traffic a service takes.
  enum Kind: UInt8, Sendable { case tcp = 0, udp = 1 }

  /// The service's name; empty for the one that C++ peers know.
  var service: String
  /// What kind of service it is.
  var kind: Kind

  init(service: String = "", kind: Kind = .tcp) {
    self.service = service
    self.kind = kind
  }

  /// Whether a peer that knows only the old wire can be asked for it.
  var isPlain: Bool { service.isEmpty && kind == .tcp }

  /// Bytes of the longest name.
  static let nameLimit = 64
}
