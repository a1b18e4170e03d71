import LibC
import NIOCore
import NIOPosix
import NIOSSL

/// TLS with mail servers. The certificate and the name are always verified: the password goes through here.
struct MailTLS: Sendable {
  private let context: NIOSSLContext
  /// How long a server may take to answer our goodbye. Nothing depends on its answer, and whoever presses Ctrl-C or has made a mistake in an
  /// option waits for it; distant servers take a third of a second.
  static let goodbyePatience = TimeAmount.milliseconds(400)

  /// Reads the files of a configuration.
  ///
  /// - Throws: ``MailError`` with code `unusableFile`.
  init(_ configuration: EmailConfiguration) throws {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12
    tls.certificateVerification = .fullVerification
    tls.shutdownTimeout = Self.goodbyePatience
    if let file = configuration.authorityFile {
      let authorities = try Self.read(file, of: "--email-ca", "CA certificate") {
        try NIOSSLCertificate.fromPEMFile($0)
      }
      tls.trustRoots = .certificates(authorities)
    }
    switch (configuration.certificateFile, configuration.keyFile) {
    case (let certificate?, let key?):
      let chain = try Self.read(certificate, of: "--email-cert", "certificate") {
        try NIOSSLCertificate.fromPEMFile($0)
      }
      tls.certificateChain = chain.map { .certificate($0) }
      let privateKey = try Self.read(key, of: "--email-key", "private key") {
        [try NIOSSLPrivateKey(file: $0, format: .pem)]
      }
      tls.privateKey = privateKey.first.map { .privateKey($0) }
    case (nil, nil): break
    default:
      throw MailError(
        .unusableFile, "a TLS client certificate takes both --email-cert and --email-key; give both, or none")
    }
    do {
      context = try NIOSSLContext(configuration: tls)
    } catch {
      throw MailError(
        .unusableFile,
        tls.privateKey == nil
          ? "TLS cannot be set up: \(error); check that the package ca-certificates is installed, or give --email-ca"
          : "the TLS client certificate cannot be used; check that --email-key belongs to --email-cert")
    }
  }

  private static func read<Item>(
    _ path: String, of option: String, _ what: String, _ read: (String) throws -> [Item]
  ) throws -> [Item] {
    let items = try? read(path)
    guard let items, !items.isEmpty else {
      throw MailError(
        .unusableFile, "\(path) cannot be read or holds no \(what) in PEM form; give another file for \(option)")
    }
    return items
  }

  /// Makes the connection of `channel` to `endpoint` TLS. On its event loop.
  func begin(on channel: any Channel, to endpoint: MailEndpoint) throws {
    let pipeline = channel.pipeline.syncOperations
    // NIOSSL takes names only, and checks the address of the connection where there is none.
    let isAddress = (try? SocketAddress(ipAddress: endpoint.host, port: 0)) != nil
    let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : endpoint.host)
    if !isAddress { try pipeline.addHandler(ServerNameCheck(endpoint), position: .first) }
    try pipeline.addHandler(handler, position: .first)
  }
}

extension MailError {
  /// What a failure of a connection means for whoever gave the options.
  init(_ endpoint: MailEndpoint, _ error: any Error) {
    switch error {
    case let error as MailError: self = error
    case let error as NIOConnectionError: self.init(endpoint, error)
    case let error as NIOSSLExtraError where error == .failedToValidateHostname:
      self.init(
        .untrusted,
        "the certificate of \(endpoint.name) is for another name; give the name that it has in \(endpoint.option)")
    case let error as NIOSSLExtraError:
      self.init(.untrusted, "\(endpoint.name) cannot be trusted: \(error); check \(endpoint.option)")
    case let error as NIOSSLError: self.init(endpoint, tls: "\(error)")
    case let error as BoringSSLError: self.init(endpoint, tls: "\(error)")
    case is ChannelError:
      self.init(.unreachable, "the connection to \(endpoint.name) ended; try again, or check \(endpoint.option)")
    case let error as IOError:
      self.init(
        .unreachable, "\(endpoint.name) is not reached: \(Self.words(error)); check the network and \(endpoint.option)")
    default:
      self.init(.unreachable, "\(endpoint.name) is not reached: \(error); check the network and \(endpoint.option)")
    }
  }

  private init(_ endpoint: MailEndpoint, _ error: NIOConnectionError) {
    guard let attempt = error.connectionErrors.first else {
      self.init(
        .unreachable,
        "\(endpoint.name) is not reached: its name has no address; check the network and \(endpoint.option)")
      return
    }
    switch attempt.error {
    case let failure as IOError:
      self.init(
        .unreachable,
        "\(endpoint.name) is not reached: \(Self.words(failure)); check the network and \(endpoint.option)")
    default:
      self.init(
        .silent, "\(endpoint.name) does not answer; check the network and \(endpoint.option)")
    }
  }

  private init(_ endpoint: MailEndpoint, tls words: String) {
    if words.contains("EOF during handshake") {
      self.init(
        .unreachable,
        "\(endpoint.name) ended the connection before it was TLS; check the port of \(endpoint.option), or write starttls:// before the "
          + "host")
    } else if words.contains("CERTIFICATE_VERIFY_FAILED") {
      self.init(
        .untrusted,
        "the certificate of \(endpoint.name) is not trusted: it has expired, or comes from a CA that is not known here; give its CA "
          + "by --email-ca")
    } else if words.contains("WRONG_VERSION_NUMBER") || words.contains("HTTP_REQUEST") {
      self.init(
        .untrusted,
        "\(endpoint.name) does not begin with TLS; check the port of \(endpoint.option), or write starttls:// before the host"
      )
    } else if words.contains("ALERT_CERTIFICATE_REQUIRED") || words.contains("ALERT_UNKNOWN_CA")
      || words.contains("ALERT_BAD_CERTIFICATE") || words.contains("HANDSHAKE_FAILURE")
    {
      self.init(
        .untrusted,
        "\(endpoint.name) refuses the TLS connection; it may want another client certificate: check --email-cert and --email-key"
      )
    } else if words.contains("uncleanShutdown") {
      self.init(.unreachable, "\(endpoint.name) ended the connection; it is tried again in a while")
    } else {
      self.init(
        .untrusted, "no TLS connection to \(endpoint.name) (\(words.printable(limit: 120))); check \(endpoint.option)")
    }
  }

  private static func words(_ error: IOError) -> String {
    String(cString: strerror(error.errnoCode)).lowercased()
  }
}
