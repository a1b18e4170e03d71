import Datagrams

@testable import RendezvousEmail

/// What an IMAP or SMTP server says is cut into the same responses however it is split, and no session keeps more than its bounds.
@Sendable func fuzzMailServers(_ input: [UInt8]) throws {
  let bytes = Array(input.dropFirst())
  switch input.first {
  case UInt8(ascii: "s")?: try fuzzSMTPReplies(bytes)
  case UInt8(ascii: "i")?: try fuzzIMAPSession(bytes)
  default: try fuzzIMAPResponses(bytes)
  }
}

private func fuzzIMAPResponses(_ bytes: [UInt8]) throws {
  func parse(inPiecesOf size: Int) -> (responses: [IMAPResponse], failure: IMAPSyntaxError?) {
    var parser = IMAPResponseParser()
    var responses: [IMAPResponse] = []
    do throws(IMAPSyntaxError) {
      for start in stride(from: 0, to: bytes.count, by: size) {
        parser.append(bytes[start..<min(start + size, bytes.count)])
        while let response = try parser.next() { responses.append(response) }
      }
    } catch {
      return (responses, error)
    }
    return (responses, nil)
  }
  let whole = parse(inPiecesOf: max(1, bytes.count))
  for size in [1, 3, 64] {
    let split = parse(inPiecesOf: size)
    try demand(split.responses == whole.responses && split.failure == whole.failure, "pieces of \(size) differ")
  }
}

private func fuzzSMTPReplies(_ bytes: [UInt8]) throws {
  func parse(inPiecesOf size: Int) -> [SMTPReply]? {
    var parser = SMTPReplyParser()
    var replies: [SMTPReply] = []
    do throws(SMTPSyntaxError) {
      for start in stride(from: 0, to: bytes.count, by: size) {
        parser.append(bytes[start..<min(start + size, bytes.count)])
        while let reply = try parser.next() { replies.append(reply) }
      }
    } catch {
      return nil
    }
    return replies
  }
  let whole = parse(inPiecesOf: max(1, bytes.count))
  try demand(parse(inPiecesOf: 1) == whole && parse(inPiecesOf: 3) == whole, "pieces differ")
}

/// A session that is told whatever the server likes, in pieces, while it is asked for messages and time passes.
private func fuzzIMAPSession(_ bytes: [UInt8]) throws {
  var configuration = IMAPSession.Configuration()
  configuration.startsTLS = bytes.first.map { $0 & 1 == 1 } ?? false
  let login = MailLogin(name: "own", password: "secret", method: .automatic)
  var now = Instant.zero
  var session = IMAPSession(server: "the server", login: login, configuration: configuration, known: nil, now: now)
  var isEncrypted = !configuration.startsTLS
  do {
    for piece in bytes.dropFirst().split(separator: 0xFF, omittingEmptySubsequences: false) {
      try session.receive(piece, now: now)
      while let event = session.pollEvent() {
        switch event {
        case .startTLS:
          isEncrypted = true
          session.startedTLS(now: now)
        case .message(let summary):
          try demand(summary.header.count <= IMAPResponseParser.literalLimit, "a header without bound")
          _ = session.fetch(summary.uid, now: now)
        case .body(let uid, _): session.delete(uid, now: now)
        case .ready, .missing, .notDeleted, .loggedOut: break
        }
      }
      if let sent = session.pollTransmit() {
        let text = String(decoding: sent, as: UTF8.self)
        try demand(isEncrypted || !(text.contains("LOGIN") || text.contains("AUTHENTICATE")), "logged in in the clear")
      }
      now = now.advanced(by: .seconds(10))
      try session.handleTimeout(now: now)
    }
  } catch let error as MailError {
    try demand(!error.description.contains("secret") && error.description.utf8.count < 1000, "a bad sentence")
  }
}
