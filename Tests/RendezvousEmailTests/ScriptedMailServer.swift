import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import RendezvousEmail

/// A little IMAP and SMTP server on loopback whose inbox, and whose manners, the test decides about.
struct ScriptedMailServer {
  let box = ScriptedBox()
  let tls: TestTLS
  let imapPort: Int
  let smtpPort: Int

  var configuration: EmailConfiguration {
    var configuration = EmailConfiguration(
      smtp: MailServer(host: "localhost", port: UInt16(smtpPort)),
      imap: MailServer(host: "localhost", port: UInt16(imapPort)), login: "bob", password: .text("secret"))
    configuration.authorityFile = "\(tls.folder)/ca.pem"
    return configuration
  }

  static func run(
    certificate: String = "name", wantsClientCertificate: Bool = false,
    _ body: (ScriptedMailServer) async throws -> Void
  ) async throws {
    let tls = try TestTLS.shared.get()
    let context = try tls.serverContext(certificate, wantsClientCertificate: wantsClientCertificate)
    let channels = [(Kind.imap, try await listen()), (Kind.smtp, try await listen())]
    let server = ScriptedMailServer(
      tls: tls, imapPort: channels[0].1.localAddress?.port ?? 0, smtpPort: channels[1].1.localAddress?.port ?? 0)
    for (kind, channel) in channels {
      try await channel.pipeline.addHandler(Acceptor(kind: kind, context: context, box: server.box)).get()
      try await channel.setOption(.autoRead, value: true).get()
    }
    do { try await body(server) } catch {
      for (_, channel) in channels { try? await channel.close().get() }
      server.box.dropConnections()
      throw error
    }
    for (_, channel) in channels { try? await channel.close().get() }
    server.box.dropConnections()
  }

  private static func listen() async throws -> any Channel {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.autoRead, value: false).bind(host: "127.0.0.1", port: 0).get()
  }

  private enum Kind {
    case imap, smtp
  }

  /// Puts TLS and a protocol onto each connection.
  private final class Acceptor: ChannelInboundHandler, Sendable {
    typealias InboundIn = any Channel
    let kind: Kind
    let context: NIOSSLContext
    let box: ScriptedBox

    init(kind: Kind, context: NIOSSLContext, box: ScriptedBox) {
      (self.kind, self.context, self.box) = (kind, context, box)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let channel = unwrapInboundIn(data)
      channel.eventLoop.execute { [kind, box, tls = self.context] in
        try? channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
        try? channel.pipeline.syncOperations.addHandler(
          LineHandler(
            kind == .imap ? ScriptedIMAP(box: box, channel: channel) : ScriptedSMTP(box: box, channel: channel)))
      }
      context.fireChannelRead(data)
    }
  }
}

/// One connection's protocol, on its event loop.
protocol ScriptedProtocol: AnyObject {
  func begin()
  func take(_ line: String)
  func end()
}

/// Cuts what comes in into lines.
private final class LineHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let script: any ScriptedProtocol
  private var text: [UInt8] = []

  init(_ script: any ScriptedProtocol) { self.script = script }

  func handlerAdded(context: ChannelHandlerContext) { script.begin() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    text += unwrapInboundIn(data).readableBytesView
    while let end = text.firstIndex(of: 0x0A) {
      let line = String(decoding: text[..<end], as: UTF8.self).trimmed
      text.removeSubrange(...end)
      script.take(line)
    }
  }

  func channelInactive(context: ChannelHandlerContext) { script.end() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// An inbox, what was sent, and what is to go wrong next.
final class ScriptedBox: Sendable {
  private struct State {
    var messages: [UInt32: String] = [:]
    var nextUID: UInt32 = 1
    var sent: [String] = []
    var watchers: [ObjectIdentifier: any Channel] = [:]
    var imapConnections = 0
    var openSMTPConnections = 0
    var breakBefore: String?
    var refusals: [String: String] = [:]
    var isMute = false
  }

  private let state = Mutex(State())

  var messages: [UInt32: String] { state.withLock { $0.messages } }
  var nextUID: UInt32 { state.withLock { $0.nextUID } }
  var sent: [String] { state.withLock { $0.sent } }
  var imapConnections: Int { state.withLock { $0.imapConnections } }
  var openIMAPConnections: Int { state.withLock { $0.watchers.count } }
  var openSMTPConnections: Int { state.withLock { $0.openSMTPConnections } }
  var isMute: Bool {
    get { state.withLock { $0.isMute } }
    set { state.withLock { $0.isMute = newValue } }
  }

  /// A new mail, which whoever is connected is told of.
  func add(_ mail: String) {
    let (channels, count) = state.withLock { state in
      state.messages[state.nextUID] = mail
      state.nextUID += 1
      return (Array(state.watchers.values), state.messages.count)
    }
    for channel in channels { channel.say("* \(count) EXISTS") }
  }

  func dropConnections() {
    for channel in state.withLock({ Array($0.watchers.values) }) { channel.close(promise: nil) }
  }

  /// Closes the connection instead of doing this command, once.
  func breakBefore(_ command: String) { state.withLock { $0.breakBefore = command } }

  /// Answers this command so, once.
  func refuse(_ command: String, once reply: String) { state.withLock { $0.refusals[command] = reply } }

  func connected(_ channel: any Channel) {
    state.withLock { state in
      state.imapConnections += 1
      state.watchers[ObjectIdentifier(channel)] = channel
    }
  }

  func disconnected(_ channel: any Channel) {
    state.withLock { _ = $0.watchers.removeValue(forKey: ObjectIdentifier(channel)) }
  }

  func countSMTPConnection(_ change: Int) { state.withLock { $0.openSMTPConnections += change } }

  func breaks(at line: String) -> Bool {
    state.withLock { state in
      guard let command = state.breakBefore, line.contains(command) else { return false }
      state.breakBefore = nil
      return true
    }
  }

  func refusal(of line: String) -> String? {
    state.withLock { state in
      guard let command = state.refusals.keys.first(where: { line.hasPrefix($0) }) else { return nil }
      return state.refusals.removeValue(forKey: command)
    }
  }

  func remove(_ uids: [UInt32]) { state.withLock { for uid in uids { $0.messages[uid] = nil } } }

  func take(_ mail: String) { state.withLock { $0.sent.append(mail) } }
}

extension Channel {
  fileprivate func say(_ line: String) { writeAndFlush(allocator.buffer(string: line + "\r\n"), promise: nil) }
}

final class ScriptedIMAP: ScriptedProtocol {
  private let box: ScriptedBox
  private let channel: any Channel
  private var idleTag: String?

  init(box: ScriptedBox, channel: any Channel) { (self.box, self.channel) = (box, channel) }

  func begin() {
    box.connected(channel)
    if !box.isMute { channel.say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN IDLE UIDPLUS] hello") }
  }

  func end() { box.disconnected(channel) }

  func take(_ line: String) {
    if box.breaks(at: line) { return channel.close(promise: nil) }
    let words = line.split(separator: " ").map(String.init)
    if line == "DONE", let tag = idleTag { return channel.say("\(tag) OK idled") }
    guard words.count > 1 else { return }
    switch words.dropFirst().prefix(2).joined(separator: " ") {
    case "SELECT INBOX":
      channel.say("* \(box.messages.count) EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT \(box.nextUID)] next")
    case "UID FETCH": fetch(words)
    case "UID EXPUNGE": box.remove(words[3].split(separator: ",").compactMap { UInt32($0) })
    case "IDLE":
      idleTag = words[0]
      return channel.say("+ idling")
    case "LOGOUT": channel.say("* BYE")
    default: break
    }
    channel.say("\(words[0]) OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] done")
  }

  private func fetch(_ words: [String]) {
    let isHeader = words[3].hasSuffix(":*")
    let first = UInt32(words[3].prefix { $0.isNumber }) ?? 0
    for (uid, mail) in box.messages.sorted(by: { $0.key < $1.key }) where isHeader ? uid >= first : uid == first {
      let header = mail.prefix(upTo: mail.firstRange(of: "\r\n\r\n")?.upperBound ?? mail.endIndex)
      let (name, content) = isHeader ? ("BODY[HEADER.FIELDS (FROM)]", String(header)) : ("BODY[]<0>", mail)
      channel.say("* 1 FETCH (UID \(uid) RFC822.SIZE \(mail.utf8.count) \(name) {\(content.utf8.count)}\r\n\(content))")
    }
  }
}

final class ScriptedSMTP: ScriptedProtocol {
  private let box: ScriptedBox
  private let channel: any Channel
  private var content: [String]?

  init(box: ScriptedBox, channel: any Channel) { (self.box, self.channel) = (box, channel) }

  func begin() {
    box.countSMTPConnection(1)
    if !box.isMute { channel.say("220 hello") }
  }

  func end() { box.countSMTPConnection(-1) }

  func take(_ line: String) {
    if let lines = content {
      guard line == "." else { return content = lines + [line] }
      content = nil
      box.take(lines.joined(separator: "\r\n"))
      return channel.say("250 taken")
    }
    if let reply = box.refusal(of: line) { return channel.say(reply) }
    switch line.prefix(4) {
    case "EHLO": channel.say("250-hello\r\n250 AUTH PLAIN")
    case "AUTH": channel.say("235 in")
    case "DATA":
      content = []
      channel.say("354 go on")
    case "QUIT": channel.say("221 bye")
    default: channel.say("250 ok")
    }
  }
}

/// Certificates of a test CA, made once.
struct TestTLS: Sendable {
  static let shared = Result { try TestTLS() }
  let folder: String

  private init() throws {
    folder = temporaryFolder()
    atexit { try? FileManager.default.removeItem(atPath: (try? TestTLS.shared.get().folder) ?? "/nonexistent") }
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    try openssl(
      ["req", "-x509"] + key + ["-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca"], in: folder)
    for (name, alternative) in [
      ("name", "DNS:localhost"), ("address", "IP:127.0.0.1"), ("client", "email:bob@example.org"),
    ] {
      try "subjectAltName=\(alternative)\n".write(toFile: "\(folder)/\(name).ext", atomically: true, encoding: .utf8)
      try openssl(["req"] + key + ["-keyout", "\(name).key", "-out", "csr", "-subj", "/CN=\(name)"], in: folder)
      try openssl(
        [
          "x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
          "-extfile",
          "\(name).ext", "-out", "\(name).pem",
        ], in: folder)
    }
  }

  func serverContext(_ name: String, wantsClientCertificate: Bool) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile("\(folder)/\(name).pem").map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(file: "\(folder)/\(name).key", format: .pem)))
    if wantsClientCertificate {
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile("\(folder)/ca.pem"))
    }
    return try NIOSSLContext(configuration: configuration)
  }
}
