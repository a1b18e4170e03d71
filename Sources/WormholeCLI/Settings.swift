import CLISupport
import Datagrams
import Logging
import Wormhole

/// What the options say, checked.
struct Settings: Sendable {
  enum Purpose: Sendable {
    case exporting([ExportedService])
    case importing([ImportedService])
  }

  var purpose: Purpose
  var gateway: Endpoint
  var faraway: Endpoint
  var secret: UInt64
  var isRetrying: Bool
  var showsStatus: Bool
  var logFile: String?
  var logLevel: Logger.Level

  /// - Throws: ``CommandFailure`` that names the option.
  init(_ options: WormholeOptions) throws(CommandFailure) {
    switch options.service.purpose {
    case "export":
      let services: [ExportedService] = try Self.services(options.service.service, form: "[NAME=]ADDRESS:PORT[/udp]")
      try requireDistinct(services)
      purpose = .exporting(services)
    case "import":
      let services: [ImportedService] = try Self.services(options.service.service, form: "[ADDRESS:]PORT[=NAME][/udp]")
      try requireDistinct(services)
      purpose = .importing(services)
    case let other?: throw CommandFailure(.usage, "--purpose is export or import, not \"\(other)\"")
    case nil:
      throw CommandFailure(.usage, "--purpose is missing: export where the service is, import where its clients are")
    }
    gateway = try Self.endpoint(options.tunnel.gateway, of: "gateway", example: "0.0.0.0:40001")
    faraway = try Self.endpoint(options.tunnel.faraway, of: "faraway", example: "203.0.113.7:40002")
    guard faraway.port > 0 else { throw CommandFailure(.usage, "--faraway needs the far end's port, not 0") }
    guard gateway.address.family == faraway.address.family else {
      throw CommandFailure(
        .usage, "--gateway and --faraway are both IPv4 or both IPv6, not \(gateway.address) and \(faraway.address)")
    }
    if let obscure = options.tunnel.obscure {
      // Not shown: it is a secret.
      guard let number = UInt64(obscure) else {
        throw CommandFailure(.usage, "--obscure is a decimal number of 64 bits")
      }
      secret = number
    } else {
      secret = 0
    }
    isRetrying = options.tunnel.retry
    showsStatus = options.log.status
    logFile = options.log.logFile
    logLevel = .info
    if let name = options.log.logLevel {
      guard let level = CLISupport.logLevel(named: name) else {
        throw CommandFailure(.usage, "--log-level is fatal, error, warning, info, debug or trace, not \"\(name)\"")
      }
      logLevel = level
    }
  }

  private static func services<Service: LosslessStringConvertible & Hashable>(
    _ texts: [String], form: String
  ) throws(CommandFailure) -> [Service] {
    guard !texts.isEmpty else { throw CommandFailure(.usage, "--service is missing: \(form)") }
    var services: [Service] = []
    for text in texts {
      guard let service = Service(text) else { throw CommandFailure(.usage, "--service is \(form), not \"\(text)\"") }
      services.append(service)
    }
    return services
  }

  private static func endpoint(_ text: String?, of option: String, example: String) throws(CommandFailure) -> Endpoint {
    guard let text else { throw CommandFailure(.usage, "--\(option) is missing: address:port, such as \(example)") }
    guard let endpoint = Endpoint(text) else {
      throw CommandFailure(.usage, "--\(option) is address:port, such as \(example), not \"\(text)\"")
    }
    return endpoint
  }
}
