import Datagrams

/// What the session does when the server says something.
extension IMAPSession {
  mutating func handle(_ response: IMAPResponse, now: Instant) throws {
    // A long answer is no silence.
    if case .command = phase { phaseStart = now }
    switch response {
    case .continuation: continuation(now: now)
    case .tagged(let tag, let status): try finish(tag, status, now: now)
    case .status(let status): try untagged(status, now: now)
    case .capability(let names): capabilities = Set(names)
    case .exists:
      guard isSelected else { return }
      needsCheck = true
      work(now: now)
    case .fetch(let fetch): take(fetch)
    case .search(let uids): found = uids
    case .other: break
    }
  }

  private mutating func untagged(_ status: IMAPStatus, now: Instant) throws {
    switch status.code {
    case .capability(let names)?: capabilities = Set(names)
    case .uidValidity(let number)? where !isSelected: selected.validity = number
    case .uidNext(let number)? where !isSelected: selected.next = number
    default: break
    }
    if case .ended = phase { return }
    if status.kind == .bye {
      throw MailError(
        .unreachable, "\(server) ended the connection: \(login.cleansed(status.text)); it is tried again in a while")
    }
    guard case .greeting = phase else { return }
    switch status.kind {
    case .ok: proceed(now: now)
    case .preauth where isEncrypted:
      isAuthenticated = true
      proceed(now: now)
    default:
      throw MailError(
        .garbage, "\(server) greets in a way that cannot be used; check the host and port of --email-imaps")
    }
  }

  private mutating func continuation(now: Instant) {
    switch phase {
    case .idling(confirmed: false, let ending):
      enter(.idling(confirmed: true, ending: ending), now: now)
      if hasWork { endIdle(now: now) }
    case .command(let command):
      if !continuations.isEmpty {
        output += continuations.removeFirst()
      } else if case .authenticate(let method) = command {
        // XOAUTH2 tells in a challenge why it refuses and awaits an empty answer; any other surplus challenge is cancelled.
        output += Array((method == .xoauth2 ? "\r\n" : "*\r\n").utf8)
      }
    default: break
    }
  }

  private mutating func finish(_ tag: String, _ status: IMAPStatus, now: Instant) throws {
    guard tag == self.tag else { return }
    if case .capability(let names)? = status.code { capabilities = Set(names) }
    switch phase {
    case .idling(let confirmed, _):
      // Some servers offer IDLE and refuse it.
      if !confirmed || status.kind != .ok { idleRefused = true }
      rest(now: now)
    case .command(let command): try finish(command, status, now: now)
    case .greeting, .upgrading, .resting, .ended: break
    }
  }

  private mutating func finish(_ command: IMAPCommand, _ status: IMAPStatus, now: Instant) throws {
    let isOK = status.kind == .ok
    continuations = []
    switch command {
    case .capability, .noop: break
    case .startTLS:
      guard isOK else { throw refusal("STARTTLS", status) }
      // What stands behind the answer was said in the clear, so perhaps by somebody else.
      guard parser.isEmpty else {
        throw MailError(
          .untrusted,
          "\(server) says more in the clear after STARTTLS, as if somebody had put it in; use another network")
      }
      enter(.upgrading, now: now)
      return events.append(.startTLS)
    case .authenticate, .login:
      guard isOK else {
        throw MailError(
          .loginRefused,
          "\(server) refused the login of \(login.name): \(login.cleansed(status.text)); check --email-login and the password"
        )
      }
      isAuthenticated = true
    case .select:
      guard isOK else { throw refusal("to open the inbox", status) }
      return didSelect(now: now)
    case .findLast:
      selected.next = max(selected.next, highestSeen == .max ? .max : highestSeen + 1)
      return becomeReady(now: now)
    case .check:
      guard isOK else { throw refusal("to list new mail", status) }
      selected.next = max(selected.next, highestSeen == .max ? .max : highestSeen + 1)
    case .fetch(let uid):
      bodies.removeAll { $0 == uid }
      if !hasBody { events.append(.missing(uid: uid)) }
    case .store(let uids):
      if isOK, let next = expunge(uids) { return send(next, now: now) }
      if !isOK { events.append(.notDeleted(login.cleansed(status.text))) }
    case .searchDeleted(let uids):
      // EXPUNGE takes away all that is marked, so others' marked messages are left to them, and ours with them.
      if isOK, Set(found).isSubset(of: uids) { return send(.expunge(nil), now: now) }
    case .expunge: if !isOK { events.append(.notDeleted(login.cleansed(status.text))) }
    case .logOut: break
    }
    if isSelected { rest(now: now) } else { proceed(now: now) }
  }

  private func refusal(_ what: String, _ status: IMAPStatus) -> MailError {
    MailError(.refusedForNow, "\(server) refuses \(what): \(login.cleansed(status.text)); ask whoever runs it")
  }

  private mutating func take(_ fetch: IMAPFetch) {
    guard case .command(let command) = phase, let uid = fetch.uid else { return }
    switch command {
    case .findLast: highestSeen = max(highestSeen, uid)
    case .check:
      // A range that ends with * always holds the last message, even an old one.
      guard uid >= selected.next, let header = fetch.header else { return }
      highestSeen = max(highestSeen, uid)
      guard case .bytes(let bytes) = header else { return }
      events.append(
        .message(IMAPSummary(uid: uid, size: fetch.size, internalDate: fetch.internalDate, header: bytes)))
    case .fetch(uid):
      guard let body = fetch.body, !hasBody else { return }
      hasBody = true
      events.append(.body(uid: uid, body))
    default: break
    }
  }
}
