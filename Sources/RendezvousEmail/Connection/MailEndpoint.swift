/// A mail server with everything filled in, and how error sentences name it.
struct MailEndpoint: Hashable, Sendable {
  enum Service: String, Sendable {
    case smtp = "SMTP"
    case imap = "IMAP"
  }

  let service: Service
  let host: String
  let port: UInt16
  let security: MailServer.Security

  init(_ service: Service, _ server: MailServer) {
    self.service = service
    host = server.host
    security = server.security
    let usual: UInt16 =
      switch (service, security) {
      case (.smtp, .implicit): 465
      case (.smtp, .startTLS): 587
      case (.imap, .implicit): 993
      case (.imap, .startTLS): 143
      }
    port = server.port ?? usual
  }

  /// The option that names it.
  var option: String { service == .smtp ? "--email-smtps" : "--email-imaps" }

  /// As in `the IMAP server mail.example.org:993`.
  var name: String { "the \(service.rawValue) server \(host.contains(":") ? "[\(host)]" : host):\(port)" }
}
