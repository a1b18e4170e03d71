import Datagrams
import HolePunching
import Identity
import Logging
import PortMapping
import RendezvousDHT
import RendezvousEmail
import STUN

/// What happens on the way to a passage. Each is one log line with a stable name; docs/logs.md lists them.
enum PassageEvent {
  case keyPermissions(warning: String)
  case inviting(host: IdentityName, peer: IdentityName, application: String)
  case accepting(host: IdentityName, pattern: IdentityPattern, application: String)
  case dht(DHTEvent)
  case email(EmailEvent)
  case joined(after: Duration, byEmail: Bool)
  case joinFailed(PlexusError, pause: Duration)
  case serverUnresolved(STUNError)
  case serverFailed(STUNServer, STUNServerOutcome)
  case mapped(MappingReport)
  case mappingChanged(to: Endpoint, from: Endpoint)
  case portMapping(PortMappingEvent)
  case surveyFailed(PlexusError)
  case inviteReceived(peer: IdentityName, endpoint: Endpoint)
  case answered(peer: IdentityName, endpoint: Endpoint, after: Duration)
  case punched(peer: IdentityName, result: PunchResult)
  case pathFound(peer: IdentityName, path: FoundPath)
  case passageMade(peer: IdentityName, role: PunchRole, after: Duration)
  case passageFailed(peer: IdentityName, role: PunchRole, error: PlexusError)
  case announced(peer: IdentityName, application: String)
  case adventReceived(peer: IdentityName)
  case tunnelUp(peer: IdentityName, remote: Endpoint, isEncrypted: Bool)
  /// A program's own stream, to a peer that cannot encrypt it.
  case streamObscured(peer: IdentityName)
  case pathSuspect(peer: IdentityName, trouble: PathKeeper.Trouble)
  case pathRecovered(peer: IdentityName, after: Duration)
  case pathRenewed(peer: IdentityName, remote: Endpoint, after: Duration)
  case pathNotRenewed(peer: IdentityName, error: PlexusError, pause: Duration)
  /// `reason` is nil where the far end ended it in order.
  case tunnelEnded(peer: IdentityName, reason: String?)
  case payloadStarted(peer: IdentityName, command: String, process: Int32)
  case payloadEnded(peer: IdentityName, command: String, process: Int32, status: Int32)
}

extension PassageEvent {
  /// The name that scripts may look for; it never changes.
  var name: String {
    switch self {
    case .keyPermissions: "identity.key-permissions"
    case .inviting: "invite.start"
    case .accepting: "accept.start"
    case .dht(.started): "dht.started"
    case .dht(.hostNotFound): "dht.host-not-found"
    case .dht(.connected): "dht.connected"
    case .dht(.disconnected): "dht.disconnected"
    case .email(.connected): "mail.connected"
    case .email(.disconnected): "mail.disconnected"
    case .email(.notDeleted): "mail.not-deleted"
    case .email(.notSent): "mail.not-sent"
    case .joined(_, byEmail: false): "dht.joined"
    case .joined(_, byEmail: true): "mail.joined"
    case .joinFailed: "mail.join-failed"
    case .serverUnresolved: "stun.server-unresolved"
    case .serverFailed: "stun.server-failed"
    case .mapped: "stun.mapped"
    case .mappingChanged: "stun.mapping-changed"
    case .portMapping(let event): event.name
    case .surveyFailed: "stun.survey-failed"
    case .inviteReceived: "invite.received"
    case .answered: "invite.answered"
    case .punched: "punch.done"
    case .pathFound: "path.found"
    case .passageMade: "passage.made"
    case .passageFailed: "passage.failed"
    case .announced: "advent.sent"
    case .adventReceived: "advent.received"
    case .tunnelUp: "tunnel.up"
    case .streamObscured: "stream.obscured"
    case .tunnelEnded: "tunnel.ended"
    case .pathSuspect: "path.suspect"
    case .pathRecovered: "path.recovered"
    case .pathRenewed: "path.renewed"
    case .pathNotRenewed: "path.not-renewed"
    case .payloadStarted: "payload.started"
    case .payloadEnded: "payload.ended"
    }
  }

  var level: Logger.Level {
    switch self {
    case .dht(.started(_, instead: nil)), .dht(.connected), .email(.notDeleted): .debug
    case .email(.disconnected), .email(.notSent), .joinFailed, .keyPermissions, .dht(.hostNotFound),
      .dht(.disconnected), .serverUnresolved, .serverFailed, .mappingChanged, .surveyFailed,
      .streamObscured, .pathSuspect, .pathNotRenewed:
      .warning
    case .passageFailed: .error
    case .portMapping(let event): event.level
    case .tunnelEnded(_, let reason): reason == nil ? .info : .warning
    case .payloadEnded(_, _, _, let status): status == 0 ? .info : .warning
    case .inviting, .accepting, .dht(.started), .email(.connected), .joined, .mapped, .inviteReceived, .answered,
      .punched, .pathFound, .passageMade, .announced, .adventReceived, .tunnelUp, .payloadStarted,
      .pathRecovered, .pathRenewed:
      .info
    }
  }

  /// The line for people.
  var sentence: String {
    switch self {
    case .keyPermissions(let warning): warning
    case .inviting(let host, let peer, let application): "\(host) invites \(peer) for \(application)"
    case .accepting(let host, let pattern, let application):
      "\(host) accepts invitations from \(pattern) for \(application)"
    case .dht(.started(let port, instead: nil)): "The DHT node runs on UDP port \(port)"
    case .dht(.started(let port, let taken?)):
      "The DHT node runs on UDP port \(port), because \(taken) is taken by another program"
    case .dht(.hostNotFound(let host, let reason)): "DHT node \(host) cannot be found: \(reason)"
    case .dht(.connected): "The DHT is connected"
    case .dht(.disconnected): "The DHT is disconnected: no node answers; trying again"
    case .email(.connected): "Mail can be read again"
    case .email(.disconnected(let reason, let pause)): "No mail: \(reason); trying again in \(pause.forPeople)"
    case .email(.notDeleted(let reason)): "A mail that was used could not be deleted: \(reason)"
    case .email(.notSent(let reason, let pause)): "Mail not sent: \(reason); trying again in \(pause.forPeople)"
    case .joined(let time, byEmail: false): "Joined the DHT in \(time.forPeople)"
    case .joined(let time, byEmail: true): "Joined the mail servers in \(time.forPeople)"
    case .joinFailed(let error, let pause): "\(error); trying again in \(pause.forPeople)"
    case .serverUnresolved(let error): "\(error)"
    case .serverFailed(let server, let outcome): "STUN server \(server) \(outcome)"
    case .mapped(let report): report.sentence
    case .mappingChanged(let now, let told):
      "The NAT has changed the public address to \(now), and the peer was told \(told)"
    case .portMapping(let event): event.sentence
    case .surveyFailed(let error): "\(error)"
    case .inviteReceived(let peer, let endpoint): "\(peer) invites from \(endpoint)"
    case .answered(let peer, let endpoint, let time): "\(peer) answered in \(time.forPeople): it is at \(endpoint)"
    case .punched(_, let result):
      "Hole punched to \(result.peer) in \(result.duration.forPeople)"
        + (result.roundTrip.map { ", round trip \($0.forPeople)" } ?? "")
    case .pathFound(_, let path):
      "Found a way \(path.words) to \(path.peer) in \(path.duration.forPeople), with \(path.counters.sent) datagrams"
        + (path.roundTrip.map { ", round trip \($0.forPeople)" } ?? "")
    case .passageMade(let peer, _, let time): "Passage to \(peer) made in \(time.forPeople)"
    case .passageFailed(let peer, _, let error) where error.code == .payloadNotStarted:
      "The passage to \(peer) is there, but \(error)"
    case .passageFailed(let peer, _, let error): "No passage to \(peer): \(error)"
    case .announced(let peer, let application): "\(peer) is told that we are there for \(application)"
    case .adventReceived(let peer): "\(peer) is there"
    case .tunnelUp(let peer, let remote, isEncrypted: true):
      "The tunnel to \(peer) is up, over \(remote), encrypted between the two identities"
    case .tunnelUp(let peer, let remote, isEncrypted: false):
      "The tunnel to \(peer) is up, over \(remote), but only obscured: its other end is a C++ tool, a payload program or an early release"
    case .streamObscured(let peer):
      "The stream to \(peer) is only obscured: its other end is a C++ tool, a payload program or an early release"
    case .pathSuspect(let peer, .silence): "Nothing is heard of \(peer): meeting it again, while streams wait"
    case .pathSuspect(let peer, .addressChanged):
      "This host has another address towards \(peer): meeting it again, while streams wait"
    case .pathSuspect(let peer, .slept): "This host has slept: meeting \(peer) again, while streams wait"
    case .pathRecovered(let peer, let time): "\(peer) is heard again after \(time.forPeople)"
    case .pathRenewed(let peer, let remote, let time):
      "The streams to \(peer) go on over \(remote), after \(time.forPeople)"
    case .pathNotRenewed(_, let error, let pause): "\(error); trying again in \(pause.forPeople)"
    case .tunnelEnded(let peer, nil): "\(peer) closed the tunnel"
    case .tunnelEnded(let peer, let reason?): "The tunnel to \(peer) broke: \(reason)"
    case .payloadStarted(let peer, let command, let process): "Started \(command) for \(peer) as process \(process)"
    case .payloadEnded(let peer, let command, let process, let status):
      "\(command) for \(peer), process \(process), ended with status \(status)"
    }
  }

  /// The parts of the sentence for programs. Durations are in milliseconds.
  var fields: Logger.Metadata {
    switch self {
    case .keyPermissions, .dht(.connected), .dht(.disconnected), .serverUnresolved: [:]
    case .inviting(let host, let peer, let application):
      ["host": "\(host)", "peer": "\(peer)", "application": "\(application)"]
    case .accepting(let host, let pattern, let application):
      ["host": "\(host)", "peers": "\(pattern)", "application": "\(application)"]
    case .dht(.started(let port, _)): ["port": "\(port)"]
    case .dht(.hostNotFound(let host, _)): ["node": "\(host)"]
    case .email(.connected): [:]
    case .email(.disconnected(let reason, _)), .email(.notDeleted(let reason)), .email(.notSent(let reason, _)):
      ["reason": "\(reason)"]
    case .joined(let time, _): ["ms": time.field]
    case .joinFailed(let error, _): ["reason": "\(error.code.rawValue)"]
    case .serverFailed(let server, _): ["server": "\(server)"]
    case .mapped(let report):
      [
        "public": "\(report.publicEndpoint)", "mapping": "\(report.mapping.rawValue)", "ms": report.duration.field,
        "translated": "\(report.isTranslated.map(String.init) ?? "unknown")",
      ]
    case .mappingChanged(let now, _): ["public": "\(now)"]
    case .portMapping(let event): event.fields
    case .surveyFailed(let error): ["reason": "\(error.code.rawValue)"]
    case .inviteReceived(let peer, let endpoint): ["peer": "\(peer)", "endpoint": "\(endpoint)"]
    case .answered(let peer, let endpoint, let time):
      ["peer": "\(peer)", "endpoint": "\(endpoint)", "ms": time.field]
    case .punched(let peer, let result):
      [
        "peer": "\(peer)", "endpoint": "\(result.peer)", "ms": result.duration.field,
        "conclusion": "\(result.conclusion.rawValue)", "peer-kind": "\(result.peerKind.rawValue)",
        "sent": "\(result.counters.sent)", "noise": "\(result.counters.noise)",
        "strangers": "\(result.counters.strangers)",
      ]
    case .pathFound(let peer, let path):
      [
        "peer": "\(peer)", "endpoint": "\(path.peer)", "ms": path.duration.field, "candidate": "\(path.kind)",
        "conclusion": "\(path.conclusion.rawValue)", "sent": "\(path.counters.sent)",
        "guesses": "\(path.counters.guesses)", "peak": "\(path.counters.peakPerSecond)",
        "noise": "\(path.counters.noise)",
      ]
    case .passageMade(let peer, let role, let time):
      ["peer": "\(peer)", "role": "\(role.rawValue)", "ms": time.field]
    case .passageFailed(let peer, let role, let error):
      ["peer": "\(peer)", "role": "\(role.rawValue)", "reason": "\(error.code.rawValue)"]
    case .announced(let peer, let application): ["peer": "\(peer)", "application": "\(application)"]
    case .adventReceived(let peer): ["peer": "\(peer)"]
    case .tunnelUp(let peer, let remote, let isEncrypted):
      ["peer": "\(peer)", "endpoint": "\(remote)", "encrypted": "\(isEncrypted)"]
    case .streamObscured(let peer): ["peer": "\(peer)"]
    case .pathSuspect(let peer, let trouble): ["peer": "\(peer)", "reason": "\(trouble.rawValue)"]
    case .pathRecovered(let peer, let time): ["peer": "\(peer)", "ms": time.field]
    case .pathRenewed(let peer, let remote, let time):
      ["peer": "\(peer)", "endpoint": "\(remote)", "ms": time.field]
    case .pathNotRenewed(let peer, let error, _): ["peer": "\(peer)", "reason": "\(error.code.rawValue)"]
    case .tunnelEnded(let peer, let reason): ["peer": "\(peer)", "reason": "\(reason ?? "closed")"]
    case .payloadStarted(let peer, _, let process): ["peer": "\(peer)", "process": "\(process)"]
    case .payloadEnded(let peer, _, let process, let status):
      ["peer": "\(peer)", "process": "\(process)", "status": "\(status)"]
    }
  }
}

extension MappingReport {
  fileprivate var sentence: String {
    let nat =
      switch (isTranslated, mapping.isSymmetric) {
      case (false, _): "no NAT"
      case (_, true): "a symmetric NAT"
      case (_, false): "a NAT that can be punched"
      case (_, nil): "the kind of NAT is not known: a second STUN server would tell"
      }
    let server = fastestServer.map { ", told by \($0)" } ?? ""
    let late = servers.filter { $0.outcome == .notAwaited }.map { "\($0.server)" }
    let others = late.isEmpty ? "" : " (\(late.joined(separator: ", ")) not waited for)"
    return "Public address \(publicEndpoint)\(server) in \(duration.forPeople)\(others); \(nat)"
  }
}

extension Duration {
  /// Milliseconds below a second, else seconds with two digits.
  var forPeople: String {
    let milliseconds = nanoseconds / 1_000_000
    guard milliseconds >= 1000 else { return "\(milliseconds) ms" }
    let hundredths = milliseconds % 1000 / 10
    return "\(milliseconds / 1000).\(hundredths < 10 ? "0" : "")\(hundredths) s"
  }

  /// Whole milliseconds.
  var field: Logger.MetadataValue { "\(nanoseconds / 1_000_000)" }
}
